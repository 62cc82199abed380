-- Tasks of a state, the newest first.

CREATE INDEX task_of_state ON task (state);
