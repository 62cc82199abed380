-- Tasks that wait because something is wrong with the machine: asked for whenever somebody asks whether all is well.

CREATE INDEX task_paused ON task (not_before) WHERE n_paused > 0 AND state = 'QUEUED';
