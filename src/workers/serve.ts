// The worker's side of the pool.
// pool.ts is the main thread's side.
import { parentPort, type Transferable } from 'node:worker_threads';
import { loadZstd } from '../compression/engine.js';
import { VarveError } from '../errors/errors.js';
import type { FromWorker, ToWorker } from './pool.js';

export interface Served<Reply> {
  readonly reply: Reply;
  readonly transfer?: readonly Transferable[];
}

/**
 * The worker's side of a WorkerPool: runs tasks one after another, synchronously.
 *
 * @param setup is given what the pool's `init` made, a way to send notes, and one to say what is to be closed when the thread ends (its
 * files are the process's, and stay open); returns the function that does a task
 */
export function serveTasks<Init, Task, Reply, Note = never>(
  setup: (init: Init, note: (note: Note) => void, atEnd: (action: () => void) => void) => (task: Task) => Served<Reply>,
): void {
  const port = parentPort;
  if (port === null) throw new VarveError('internal', 'this module runs in a worker thread only');
  const send = (message: FromWorker<Reply, Note>, transfer: readonly Transferable[] = []): void =>
    port.postMessage(message, transfer);
  let perform: ReturnType<typeof setup> | undefined;
  let close = (): void => undefined;
  const atEnd = (action: () => void): void => {
    close = action;
  };
  const listen = (): void => {
    port.on('message', (message: ToWorker<Init, Task>) => {
      if ('init' in message) {
        perform = setup(message.init, (note) => send({ kind: 'note', note }), atEnd);
        return;
      }
      if ('end' in message) {
        close();
        return port.close();
      }
      const { task, number } = message;
      try {
        if (perform === undefined) throw new VarveError('internal', 'a task came before the start');
        const { reply, transfer } = perform(task);
        send({ kind: 'reply', number, reply }, transfer);
      } catch (cause) {
        send({ kind: 'error', number, error: VarveError.from(cause).toJSON() });
      }
    });
    send({ kind: 'loaded' });
  };
  // Messages wait for a listener; the thread must not end before that.
  port.ref();
  void loadZstd().then(listen);
}
