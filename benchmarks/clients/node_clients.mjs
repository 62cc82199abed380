// openai-node and the Vercel ai SDK against a server: node node_clients.mjs http://127.0.0.1:8080/v1 (npm i openai ai @ai-sdk/openai-compatible)
import OpenAI from "openai";
import { generateObject, generateText, jsonSchema, streamText, tool as describedTool } from "ai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";

const [url, model, question] = [process.argv[2], "openrag-ops", "How often are API keys rotated?"];
const user = { role: "user", content: question };
const tool = { type: "function", function: { name: "tide", parameters: { type: "object", properties: { pier: { type: "integer" } } } } };
const client = new OpenAI({ baseURL: url, apiKey: "none", maxRetries: 0 });
const create = (more) => client.chat.completions.create({ model, messages: [user], ...more });
const vercel = createOpenAICompatible({ name: "openrag", baseURL: url }).chatModel(model);

async function joined(pieces, of) {
  let text = "";
  for await (const piece of pieces) text += of(piece) ?? "";
  return text;
}

const clients = {
  "openai-node": {
    chat: async () => (await create({})).choices[0].message.content.includes("90"),
    stream: async () => (await joined(await create({ stream: true }), (p) => p.choices[0]?.delta.content)).includes("90"),
    tools: async () => (await create({ tools: [tool] })).choices[0].message.tool_calls[0].function.name === "tide",
    json: async () => JSON.parse((await create({ response_format: { type: "json_object" } })).choices[0].message.content).days === 90,
    "second turn": async () => {
      const first = (await create({})).choices[0].message;
      return (await create({ messages: [user, first, user] })).choices[0].message.content.includes("90");
    },
  },
  "vercel-ai": {
    chat: async () => (await generateText({ model: vercel, prompt: question, maxRetries: 0 })).text.includes("90"),
    stream: async () => (await joined(streamText({ model: vercel, prompt: question, maxRetries: 0 }).textStream, (p) => p)).includes("90"),
    tools: async () => {
      const tide = describedTool({ description: "The tide at a pier", inputSchema: jsonSchema(tool.function.parameters), execute: async () => "low tide" });
      const called = await generateText({ model: vercel, prompt: question, tools: { tide }, maxRetries: 0 });
      const told = await generateText({ model: vercel, messages: [user, ...called.response.messages], tools: { tide }, maxRetries: 0 });
      return called.toolCalls[0].toolName === "tide" && called.toolCalls[0].input.pier === 3 && told.text.includes("90");
    },
    json: async () => {
      const schema = jsonSchema({ type: "object", properties: { days: { type: "integer" } }, required: ["days"] });
      return (await generateObject({ model: vercel, schema, prompt: question, maxRetries: 0 })).object.days === 90;
    },
    "second turn": async () => {
      const first = await generateText({ model: vercel, prompt: question, maxRetries: 0 });
      return (await generateText({ model: vercel, messages: [user, ...first.response.messages, user], maxRetries: 0 })).text.includes("90");
    },
  },
};

for (const [name, checks] of Object.entries(clients)) {
  const row = { client: name };
  for (const [check, run] of Object.entries(checks)) {
    try {
      row[check] = (await run()) ? "ok" : "wrong";
    } catch (error) {
      row[check] = `${error.name}: ${String(error.message).slice(0, 120)}`;
    }
  }
  console.log(JSON.stringify(row));
}
