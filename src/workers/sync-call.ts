// Synchronous calls from a worker to the main thread.
// The main thread answers asynchronously.
import { Buffer } from 'node:buffer';
import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { type ErrorJson, VarveError } from '../errors/errors.js';

type Answer = { readonly bytes: Uint8Array } | { readonly error: ErrorJson };

/** What crosses to the worker thread; `port` must be in the transfer list. */
export interface SyncCallHandle {
  readonly port: MessagePort;
  readonly signal: Int32Array;
}

/**
 * Lets a worker thread, in the middle of synchronous work, ask the main thread for bytes that only an asynchronous call can get.
 *
 * @param answer runs on this thread; `call` in the worker throws its errors
 */
export function serveSyncCalls<Request>(answer: (request: Request) => Promise<Buffer>): SyncCallHandle {
  const { port1, port2 } = new MessageChannel();
  const signal = new Int32Array(new SharedArrayBuffer(4));
  port1.on('message', async (request: Request) => {
    port1.postMessage(await settle(answer(request)));
    Atomics.add(signal, 0, 1);
    Atomics.notify(signal, 0);
  });
  port1.unref();
  return { port: port2, signal };
}

async function settle(result: Promise<Buffer>): Promise<Answer> {
  try {
    return { bytes: await result };
  } catch (cause) {
    return { error: VarveError.from(cause).toJSON() };
  }
}

/** The worker's end. */
export class SyncCaller<Request> {
  readonly #handle: SyncCallHandle;

  constructor(handle: SyncCallHandle) {
    this.#handle = handle;
  }

  /** Sends the request and waits for the answer, blocking this thread. */
  call(request: Request): Buffer {
    const { port, signal } = this.#handle;
    const before = Atomics.load(signal, 0);
    port.postMessage(request);
    Atomics.wait(signal, 0, before);
    const received = receiveMessageOnPort(port) as { message: Answer } | undefined;
    if (received === undefined) throw new VarveError('internal', 'no answer from the main thread');
    if ('error' in received.message) throw VarveError.fromJSON(received.message.error);
    const { bytes } = received.message;
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
}
