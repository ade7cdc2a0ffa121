import { serveTasks } from '../workers/serve.js';
import type { Reply, Task, WorkerInit } from './messages.js';
import { Restorer } from './restorer.js';

serveTasks<WorkerInit, Task, Reply>((init, _, atEnd) => {
  const restorer = new Restorer(init);
  atEnd(() => restorer.close());
  return (task) => restorer.perform(task);
});
