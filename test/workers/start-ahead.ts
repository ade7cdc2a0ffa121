import { startThreads, WorkerPool } from '../../src/workers/pool.js';
import type { Init, Reply, Task } from './obliging-worker.js';

/** Run as a child: starts threads, and ends (12), or makes a pool of them (7 when both did their work), after some milliseconds. */
const [what, milliseconds] = process.argv.slice(2);
const module = new URL(
  what === 'end' ? '../../src/restore/restore-worker.js' : './obliging-worker.js',
  import.meta.url,
);
startThreads(module, 2);
await new Promise((resolve) => setTimeout(resolve, Number(milliseconds)));
if (what === 'end') process.exitCode = 12;
else {
  const pool = new WorkerPool<Init, Task, Reply, string>(module, 2, (n) => ({ data: { name: `w${n}` }, transfer: [] }));
  const names = await Promise.all([0, 1].map(() => pool.run({ do: 'sleep', milliseconds: 100 })));
  await pool.close();
  process.exitCode = names.sort().join() === 'w0,w1' ? 7 : 1;
}
