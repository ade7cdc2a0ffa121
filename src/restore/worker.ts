import { serveTasks } from '../workers/serve.js';
import type { Reply, Task, WorkerInit } from './messages.js';
import { Restorer } from './restorer.js';

serveTasks<WorkerInit, Task, Reply>((init) => {
  const restorer = new Restorer(init);
  return (task) => restorer.perform(task);
});
