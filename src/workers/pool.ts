// A pool of worker threads with tasks and replies.
// serve.ts is the worker's side.
import { availableParallelism } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { type Transferable, Worker } from 'node:worker_threads';
import { type ErrorJson, VarveError } from '../errors/errors.js';
import { threadsByDescriptors } from './descriptors.js';

/** Tasks that a worker holds at a time: one at work, one waiting, so that it never idles between two. */
const DEPTH = 2;

/** `end` comes last: the thread then ends by itself. */
export type ToWorker<Init, Task> =
  | { readonly init: Init }
  | { readonly task: Task; readonly number: number }
  | { readonly end: true };
export type FromWorker<Reply, Note> =
  | { readonly kind: 'loaded' }
  | { readonly kind: 'reply'; readonly number: number; readonly reply: Reply }
  | { readonly kind: 'error'; readonly number: number; readonly error: ErrorJson }
  | { readonly kind: 'note'; readonly note: Note };

/** Where the limit of open files allows fewer threads, none is started ahead. */
const ENOUGH = 8;

/** Threads that were started before they are needed, by their module. */
const spare = new Map<string, Worker[]>();

/** Starts threads for a pool that will be made soon: loading their code then overlaps with other waiting. */
export function startThreads(module: URL, count: number): void {
  // All threads that load modules at a time, this one too, open many files.
  if (threadsByDescriptors() < ENOUGH) return;
  const threads = Array.from({ length: count }, () => startThread(module));
  for (const thread of threads) {
    // Without a listener it would end the process with a stack trace. The pool starts another worker, and reports its error.
    thread.on('error', () => {
      spare.set(
        module.href,
        (spare.get(module.href) ?? []).filter((each) => each !== thread),
      );
    });
    // Only from then on may the process end under it: native code that is just being loaded would take everything with it.
    thread.once('message', () => {
      if (spare.get(module.href)?.includes(thread) === true) thread.unref();
    });
  }
  spare.set(module.href, [...(spare.get(module.href) ?? []), ...threads]);
}

/**
 * Before a thread ends Node waits for what V8 compiles for it in the background, and that may wait for the thread to collect garbage: then
 * neither goes on, for ever (seen with Node 20). So threads compile for themselves; altogether it takes them no longer.
 */
function startThread(module: URL): Worker {
  setFlagsFromString('--no-concurrent-recompilation');
  return new Worker(module, {
    trackUnmanagedFds: false,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB },
  });
}

interface Job<Task, Reply> {
  readonly task: Task;
  readonly transfer: readonly Transferable[];
  readonly settled: Promise<Reply>;
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: unknown) => void;
}

interface Member<Task, Reply> {
  readonly worker: Worker;
  readonly running: Map<number, Job<Task, Reply>>;
}

/** MiB of a worker's heap for short-lived objects: more makes the threads larger, not faster. */
const YOUNG_GENERATION_MIB = 12;

/** Milliseconds that a thread gets to end by itself. */
const PATIENCE_MS = 10_000;

/** One worker a core, at least two so that waiting for a disk overlaps with work; fewer where few files may be open. */
export function defaultThreads(): number {
  return Math.min(threadsByDescriptors(), Math.max(2, availableParallelism()));
}

/** Worker threads that all run one module, which must call `serveTasks`. */
export class WorkerPool<Init, Task, Reply, Note = never> {
  readonly #members: Member<Task, Reply>[] = [];
  readonly #queue: Job<Task, Reply>[] = [];
  readonly #onNote: (note: Note, worker: number) => void;
  readonly #onWaiting: (tasks: number) => void;
  #next = 0;
  #failure: unknown;

  /**
   * @param module the worker's module
   * @param init makes the data that the n-th worker starts with, and lists the buffers to transfer
   * @param onNote receives messages that a worker sends unasked
   * @param onWaiting called with the number of tasks that no worker has taken yet, whenever it changes
   */
  constructor(
    module: URL,
    size: number,
    init: (worker: number) => { data: Init; transfer: Transferable[] },
    onNote: (note: Note, worker: number) => void = () => undefined,
    onWaiting: (tasks: number) => void = () => undefined,
  ) {
    this.#onNote = onNote;
    this.#onWaiting = onWaiting;
    for (let number = 0; number < size; number++) {
      const { data, transfer } = init(number);
      const worker = spare.get(module.href)?.pop() ?? startThread(module);
      worker.ref();
      const member: Member<Task, Reply> = { worker, running: new Map() };
      worker.on('message', (message: FromWorker<Reply, Note>) => this.#receive(member, message, number));
      worker.on('error', (error) => this.#fail(error));
      worker.on('exit', () => this.#fail(new VarveError('internal', 'a worker thread ended')));
      worker.postMessage({ init: data } satisfies ToWorker<Init, never>, transfer);
      this.#members.push(member);
    }
  }

  get size(): number {
    return this.#members.length;
  }

  /** Runs a task on whichever worker is free first. */
  run(task: Task, transfer: readonly Transferable[] = []): Promise<Reply> {
    const job = newJob<Task, Reply>(task, transfer);
    this.#queue.push(job);
    this.#dispatch();
    return job.settled;
  }

  /** Runs a task on every worker, after those it already has. */
  runOnEach(task: Task): Promise<Reply[]> {
    return Promise.all(this.#members.map((_, number) => this.runOn(number, task)));
  }

  /** Runs a task on one worker, after those it already has. */
  runOn(number: number, task: Task, transfer: readonly Transferable[] = []): Promise<Reply> {
    const member = this.#members[number];
    if (member === undefined || this.#failure !== undefined) return Promise.reject(this.#failure);
    const job = newJob<Task, Reply>(task, transfer);
    this.#send(member, job);
    return job.settled;
  }

  /** Lets the threads finish the task that each is at, and ends them. */
  async close(): Promise<void> {
    this.#failure ??= new VarveError('interrupted', 'the worker threads have ended');
    for (const job of this.#queue.splice(0)) job.reject(this.#failure);
    const running = this.#members.flatMap((member) => [...member.running.values()]);
    await Promise.allSettled(running.map((job) => job.settled));
    await Promise.all(this.#members.map(({ worker }) => endThread(worker)));
  }

  #dispatch(): void {
    if (this.#failure !== undefined) return this.#rejectAll();
    for (let depth = 0; depth < DEPTH; depth++) {
      for (const member of this.#members) {
        const job = member.running.size === depth ? this.#queue.shift() : undefined;
        if (job !== undefined) this.#send(member, job);
      }
    }
    this.#onWaiting(this.#queue.length);
  }

  #send(member: Member<Task, Reply>, job: Job<Task, Reply>): void {
    const number = this.#next++;
    member.running.set(number, job);
    member.worker.postMessage({ task: job.task, number } satisfies ToWorker<never, Task>, job.transfer);
  }

  #receive(member: Member<Task, Reply>, message: FromWorker<Reply, Note>, worker: number): void {
    if (message.kind === 'note') return this.#onNote(message.note, worker);
    if (message.kind === 'loaded') return;
    const job = member.running.get(message.number);
    member.running.delete(message.number);
    if (message.kind === 'reply') job?.resolve(message.reply);
    else job?.reject(VarveError.fromJSON(message.error));
    this.#dispatch();
  }

  #fail(cause: unknown): void {
    this.#failure ??= VarveError.from(cause);
    this.#rejectAll();
  }

  #rejectAll(): void {
    for (const { running } of this.#members) {
      for (const job of running.values()) job.reject(this.#failure);
      running.clear();
    }
    for (const job of this.#queue.splice(0)) job.reject(this.#failure);
  }
}

/**
 * Asks the thread to end after it has loaded and finished its task. Terminating a thread that loads or runs native code ends the
 * whole process with SIGABRT, so only a thread that hangs is terminated.
 */
function endThread(worker: Worker): Promise<void> {
  if (worker.threadId === -1) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      void worker.terminate();
      worker.unref();
      resolve();
    }, PATIENCE_MS);
    worker.once('exit', () => {
      clearTimeout(timer);
      resolve();
    });
    worker.postMessage({ end: true } satisfies ToWorker<never, never>);
  });
}

function newJob<Task, Reply>(task: Task, transfer: readonly Transferable[]): Job<Task, Reply> {
  let resolve: Job<Task, Reply>['resolve'] = () => undefined;
  let reject: Job<Task, Reply>['reject'] = () => undefined;
  const settled = new Promise<Reply>((onReply, onError) => {
    resolve = onReply;
    reject = onError;
  });
  return { task, transfer, settled, resolve, reject };
}
