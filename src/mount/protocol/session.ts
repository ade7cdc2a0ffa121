// The conversation with the kernel over /dev/fuse: reads requests, calls handlers, writes replies.
// What is answered is left to the handlers, layouts to requests.ts and replies.ts.

import { Buffer } from 'node:buffer';
import { closeSync, writevSync } from 'node:fs';
import { errnoCode } from '../../errors/errors.js';
import {
  ASYNC_DIO,
  ASYNC_READ,
  BATCH_FORGET,
  CACHE_DIR,
  CACHE_SYMLINKS,
  DESTROY,
  DO_READDIRPLUS,
  EAGAIN,
  EINTR,
  EIO,
  ENODEV,
  ENOENT,
  ENOSYS,
  EXPLICIT_INVAL_DATA,
  EXPORT_SUPPORT,
  FORGET,
  GETATTR,
  GETXATTR,
  INIT,
  INTERRUPT,
  KEEP_CACHE,
  LISTXATTR,
  LOOKUP,
  LSEEK,
  MAX_PAGES,
  MINOR,
  NAME_MAX,
  NO_OPENDIR_SUPPORT,
  OPENDIR,
  PARALLEL_DIROPS,
  POSIX_ACL,
  READ,
  READDIR,
  READDIRPLUS,
  READLINK,
  RELEASE,
  RELEASEDIR,
  STATFS,
  STATX,
} from './abi.js';
import { type Calls, calls, type Watch } from './calls.js';
import { MAX_READ } from './mounting.js';
import { emptyReply, initReply, openReply, statfsReply, writeHeader } from './replies.js';
import {
  OUT_HEADER,
  type ReadRequest,
  type Request,
  readForget,
  readForgets,
  readInit,
  readInterrupt,
  readName,
  readRead,
  readRequest,
  readSeek,
  readXattrName,
  readXattrSize,
  type SeekRequest,
} from './requests.js';

/** An errno, or the bytes of the reply, in one or several buffers. */
export type Answer = number | Buffer | readonly Buffer[];
export type Pending = Answer | Promise<Answer | Views>;
/** Returns bytes that are valid only until the next call of a handler. Called just before they are written. */
export type Views = () => Answer | Promise<Answer>;

/** The operations of a file system. Replies are written before the next handler is called. */
export interface Handlers {
  lookup(parent: number, name: Buffer): Pending;
  forget(node: number, lookups: number): void;
  attributes(node: number, withBirthTime: boolean): Pending;
  readlink(node: number): Pending;
  /** @param alone whether no other request is known to wait. Then the handler may block for a moment */
  read(node: number, request: ReadRequest, alone: boolean): Pending;
  seek(node: number, request: SeekRequest): Pending;
  /** @param plus whether attributes are included, as in READDIRPLUS */
  readDirectory(node: number, request: ReadRequest, plus: boolean): Pending;
  /** Called after the kernel's INIT. */
  initialized(): void;
  /** @param size of the kernel's buffer; 0 asks only for the length */
  xattr(node: number, name: Buffer, size: number): Pending;
  xattrNames(node: number, size: number): Pending;
}

/** Requests to read before other work of this thread gets a turn. */
const TURN = 64;
/** Milliseconds to poll for the next request after a reply. It often comes at once, and sleeping and waking would take longer. */
const LINGER_MS = 0.06;
/** Bytes of the longest request. */
const MAX_REQUEST = 128 * 1024;

/** Serves the kernel's requests until the mount ends. */
export class Session {
  readonly #file: number;
  readonly #handlers: Handlers;
  readonly #acl: boolean;
  readonly #calls: Calls = calls();
  readonly #buffer = Buffer.allocUnsafeSlow(MAX_REQUEST);
  readonly #header = Buffer.allocUnsafeSlow(OUT_HEADER);
  /** Requests without a reply, except interrupted ones. */
  readonly #open = new Set<bigint>();
  readonly #onDefect: (cause: unknown) => void;
  /** Whether the kernel opens directories without asking. */
  #opensDirectories = false;
  /** Requests that may be read in this turn. */
  #left = 0;
  #waiting: Watch | undefined;
  #end: () => void = () => undefined;
  /** Resolves when the mount is gone. */
  readonly ended: Promise<void>;

  /**
   * @param acl whether the kernel should enforce POSIX ACLs
   * @param onDefect called with errors that a handler throws
   */
  constructor(file: number, handlers: Handlers, acl: boolean, onDefect: (cause: unknown) => void) {
    this.#file = file;
    this.#handlers = handlers;
    this.#acl = acl;
    this.#onDefect = onDefect;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  start(): void {
    this.#waiting = this.#calls.whenReadable(this.#file, () => {
      this.#left = TURN;
      this.#turn();
    });
  }

  /** Ends the session at once. Requests without a reply get an error from the kernel. */
  close(): void {
    if (this.#waiting === undefined) return;
    this.#waiting.close();
    this.#waiting = undefined;
    closeSync(this.#file);
    this.#open.clear();
    this.#end();
  }

  /** @param until when to stop polling, by performance.now() */
  #turn(until = 0): void {
    let end = until;
    // A request is alone if there was none when polling began.
    let alone = true;
    while (this.#left > 0 && this.#waiting !== undefined) {
      const length = this.#calls.read(this.#file, this.#buffer, MAX_REQUEST);
      if (length > 0) {
        this.#left--;
        this.#handle(this.#buffer.subarray(0, length), length, alone);
        end = performance.now() + LINGER_MS;
        alone = false;
        continue;
      }
      const errno = length === 0 ? ENODEV : this.#calls.errno();
      if (errno === EAGAIN) {
        alone = this.#open.size === 0;
        if (!alone || performance.now() >= end) return;
        // ENOENT: the request was interrupted before it could be read.
      } else if (errno !== EINTR && errno !== ENOENT) return this.close();
    }
  }

  #handle(bytes: Buffer, length: number, alone: boolean): void {
    const request = readRequest(bytes);
    if (this.#isWithoutReply(request, bytes, length)) return;
    try {
      const answer = this.#ask(request, bytes, length, alone);
      if (answer instanceof Promise) this.#replyLater(request.unique, answer);
      else this.#reply(request.unique, answer);
    } catch (cause) {
      this.#onDefect(cause);
      this.#reply(request.unique, EIO);
    }
  }

  #replyLater(unique: bigint, promised: Promise<Answer | Views>): void {
    this.#open.add(unique);
    const settle = (answer: Answer | Views): void => {
      if (!this.#open.delete(unique)) return;
      const now = typeof answer === 'function' ? answer() : answer;
      if (now instanceof Promise) this.#replyLater(unique, now);
      else {
        this.#reply(unique, now);
        // The program may send its next request at once.
        if (this.#open.size === 0 && this.#left > 0) this.#turn(performance.now() + LINGER_MS);
      }
    };
    promised.then(settle, (cause) => {
      this.#onDefect(cause);
      settle(EIO);
    });
  }

  #isWithoutReply({ opcode, node }: Request, bytes: Buffer, length: number): boolean {
    if (opcode === FORGET) this.#handlers.forget(node, readForget(bytes));
    else if (opcode === BATCH_FORGET)
      for (const each of readForgets(bytes, length)) this.#handlers.forget(each.node, each.lookups);
    else if (opcode === INTERRUPT) {
      const unique = readInterrupt(bytes);
      if (this.#open.delete(unique)) this.#reply(unique, EINTR);
    } else return false;
    return true;
  }

  #ask({ opcode, node }: Request, bytes: Buffer, length: number, alone: boolean): Pending {
    const handlers = this.#handlers;
    switch (opcode) {
      case LOOKUP:
        return handlers.lookup(node, readName(bytes, length));
      case GETATTR:
        return handlers.attributes(node, false);
      case STATX:
        return handlers.attributes(node, true);
      case READ:
        return handlers.read(node, readRead(bytes), alone);
      case READDIR:
        return handlers.readDirectory(node, readRead(bytes), false);
      case READDIRPLUS:
        return handlers.readDirectory(node, readRead(bytes), true);
      case OPENDIR:
        return this.#opensDirectories ? ENOSYS : openReply(0, KEEP_CACHE | CACHE_DIR);
      case READLINK:
        return handlers.readlink(node);
      case GETXATTR:
        return handlers.xattr(node, readXattrName(bytes, length), readXattrSize(bytes));
      case LISTXATTR:
        return handlers.xattrNames(node, readXattrSize(bytes));
      case LSEEK:
        return handlers.seek(node, readSeek(bytes));
      case STATFS:
        return statfsReply(NAME_MAX);
      case INIT:
        return this.#init(bytes);
      case RELEASE:
      case RELEASEDIR:
      case DESTROY:
        return 0;
      default:
        // Also OPEN and FLUSH: the kernel then handles them itself and keeps its cache of the file.
        return ENOSYS;
    }
  }

  #init(bytes: Buffer): Answer {
    const { minor, maxReadahead, flags } = readInit(bytes);
    setImmediate(() => this.#handlers.initialized());
    this.#opensDirectories = (flags & NO_OPENDIR_SUPPORT) !== 0;
    const wanted =
      ASYNC_READ |
      EXPORT_SUPPORT |
      DO_READDIRPLUS |
      ASYNC_DIO |
      PARALLEL_DIROPS |
      MAX_PAGES |
      CACHE_SYMLINKS |
      EXPLICIT_INVAL_DATA |
      (this.#acl ? POSIX_ACL : 0);
    return initReply({ minor: Math.min(minor, MINOR), flags: (wanted & flags) >>> 0, maxReadahead, maxRead: MAX_READ });
  }

  #reply(unique: bigint, answer: Answer): void {
    if (this.#waiting === undefined) return;
    if (typeof answer === 'number') {
      this.#calls.write(this.#file, emptyReply(answer, unique), OUT_HEADER);
      return;
    }
    const parts = Buffer.isBuffer(answer) ? [answer] : (answer as readonly Buffer[]);
    let length = OUT_HEADER;
    for (const part of parts) length += part.length;
    writeHeader(this.#header, length, 0, unique);
    try {
      writevSync(this.#file, [this.#header, ...parts]);
    } catch (cause) {
      // ENOENT: the request was interrupted. ENODEV: the mount has ended, and the next read notices it.
      const code = errnoCode(cause);
      if (code !== 'ENOENT' && code !== 'ENODEV') this.#onDefect(cause);
    }
  }
}
