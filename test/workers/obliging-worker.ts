import { closeSync, openSync } from 'node:fs';
import { VarveError } from '../../src/errors/errors.js';
import { serveTasks } from '../../src/workers/serve.js';
import { SharedBuffers, type SharedBuffersHandle } from '../../src/workers/shared-buffers.js';
import { SyncCaller, type SyncCallHandle } from '../../src/workers/sync-call.js';

export interface Init {
  readonly name: string;
  readonly buffers?: SharedBuffersHandle;
  readonly calls?: SyncCallHandle;
}

export type Task =
  | { readonly do: 'name' }
  | { readonly do: 'sleep'; readonly milliseconds: number }
  | { readonly do: 'note'; readonly text: string }
  | { readonly do: 'fail'; readonly how: 'varve' | 'system' | 'plain' }
  | { readonly do: 'exit' }
  | { readonly do: 'crash' }
  | { readonly do: 'acquire'; readonly count: number; readonly mark: number }
  | { readonly do: 'call'; readonly requests: readonly string[] }
  | { readonly do: 'bytes'; readonly bytes: Uint8Array };

export type Reply = string | readonly number[] | readonly string[] | Uint8Array;

serveTasks<Init, Task, Reply, string>((init, note) => {
  if (init.name === 'broken') throw new Error('it does not start');
  const buffers = init.buffers && new SharedBuffers(init.buffers);
  const caller = init.calls && new SyncCaller<string>(init.calls);
  return (task) => {
    switch (task.do) {
      case 'name':
        return { reply: init.name };
      case 'sleep':
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, task.milliseconds);
        return { reply: init.name };
      case 'note':
        note(`${init.name}: ${task.text}`);
        return { reply: 'noted' };
      case 'fail':
        if (task.how === 'varve') throw new VarveError('full', 'data/ab: no room', { retryable: true });
        if (task.how === 'system') closeSync(openSync('/nowhere/at/all', 'r'));
        throw new TypeError('a bug');
      case 'exit':
        process.exit(7);
        break;
      case 'crash':
        setTimeout(() => {
          throw new RangeError('out of the blue');
        });
        return { reply: 'soon' };
      case 'acquire': {
        const taken = Array.from({ length: task.count }, () => buffers?.acquire() ?? -1);
        for (const number of taken) buffers?.bytes(number).fill(task.mark);
        return { reply: taken };
      }
      case 'call':
        return { reply: task.requests.map((request) => caller?.call(request).toString() ?? '') };
      case 'bytes':
        return { reply: task.bytes, transfer: [task.bytes.buffer as ArrayBuffer] };
    }
    return { reply: '' };
  };
});
