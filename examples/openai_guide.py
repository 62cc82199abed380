# %% [markdown]
# # openrag for OpenAI clients
#
# Every partition of an openrag server is a model that answers from its documents. Index something and serve it:
#
#     openrag file add examples/handbook -p handbook
#     openrag serve
#
# This guide is a script and a notebook with the same cells. It needs `pip install openai langchain-openai`, and reads
# the address of the server from `OPENRAG_URL` and its token, if it has one, from `OPENRAG_TOKEN`.

# %%
import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

from langchain_openai import ChatOpenAI
from openai import AsyncOpenAI, OpenAI

BASE_URL = os.environ.get("OPENRAG_URL", "http://127.0.0.1:8080") + "/v1"
API_KEY = os.environ.get("OPENRAG_TOKEN", "none")  # OpenAI's client wants one, also where the server does not
client = OpenAI(base_url=BASE_URL, api_key=API_KEY)

# %% [markdown]
# ## Models
#
# `openrag-<partition>` searches one partition, `openrag-all` every one.

# %%
print([model.id for model in client.models.list()])

# %% [markdown]
# ## An answer
#
# Each `[n]` in the text names a passage. Without an LLM behind the server the text is made of sentences of the
# documents.

# %%
QUESTION = [{"role": "user", "content": "How often do we rotate API keys?"}]
answer = client.chat.completions.create(model="openrag-handbook", messages=QUESTION)
print(answer.choices[0].message.content)

# %% [markdown]
# ## Where it comes from
#
# The marks are annotations of the message; `extra.sources` lists every passage behind the answer, cited or not.

# %%
for annotation in answer.choices[0].message.annotations or []:
    cited = annotation.url_citation
    print(answer.choices[0].message.content[cited.start_index : cited.end_index], cited.title)

for source in answer.model_extra["extra"]["sources"]:
    where = f"p.{source['page']}" if source["page"] else f"lines {source['line_start']}-{source['line_end']}"
    print(source["n"], source["file_id"], where, "cited" if source["cited"] else "shown")

# %% [markdown]
# ## A stream
#
# The sources come with the last chunk that has a choice.

# %%
sources = []
stream = client.chat.completions.create(
    model="openrag-handbook", messages=QUESTION, stream=True, stream_options={"include_usage": True}
)
for chunk in stream:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
        sources = (chunk.model_extra or {}).get("extra", {}).get("sources", sources)
    elif chunk.usage:
        print("\ntokens:", chunk.usage.total_tokens > 0)
print("sources:", [source["file_id"] for source in sources if source["cited"]])


# %% [markdown]
# ## Several at once


# %%
async def ask_all(questions: list[str]) -> list[str]:
    async with AsyncOpenAI(base_url=BASE_URL, api_key=API_KEY) as many:
        answers = await asyncio.gather(
            *(
                many.chat.completions.create(model="openrag-all", messages=[{"role": "user", "content": question}])
                for question in questions
            )
        )
    return [entry.choices[0].message.content for entry in answers]


async def show_all() -> None:
    for text in await ask_all(["How often do we rotate API keys?", "How many days of leave are there?"]):
        print("-", text[:80])


with ThreadPoolExecutor(1) as pool:  # a notebook's own thread runs a loop already
    pool.submit(asyncio.run, show_all()).result()

# %% [markdown]
# ## Embeddings

# %%
vectors = client.embeddings.create(model="all-MiniLM-L6-v2", input=["rotate the keys", "bake bread"])
print(len(vectors.data), "vectors of", len(vectors.data[0].embedding), "numbers")

# %% [markdown]
# ## LangChain

# %%
model = ChatOpenAI(base_url=BASE_URL, api_key=API_KEY, model="openrag-handbook")
print(model.invoke("How often do we rotate API keys?").content)
