import { serveTasks } from '../workers/serve.js';
import type { Reply, Task, WorkerInit } from './messages.js';
import { ObjectReader } from './object-reader.js';

serveTasks<WorkerInit, Task, Reply>((init) => {
  const reader = new ObjectReader(init);
  return (task) => ({ reply: reader.read(task) });
});
