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
import { type Calls, calls, type Waiting } from './calls.js';
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

/** An errno, or the bytes that were asked for: one after another. */
export type Answer = number | Buffer | readonly Buffer[];
export type Later = Answer | Promise<Answer | Views>;
/** Gives bytes that are valid only until something else is done: it is called just before they are written. */
export type Views = () => Answer | Promise<Answer>;

/** What a file system does when it is asked. Bytes that are answered are written before anything else is done. */
export interface Handlers {
  lookup(parent: number, name: Buffer): Later;
  forget(node: number, lookups: number): void;
  attributes(node: number, withBirth: boolean): Later;
  readlink(node: number): Later;
  /** @param alone whether nobody else is known to wait: then it may take a moment, in which others would get no answer */
  read(node: number, request: ReadRequest, alone: boolean): Later;
  seek(node: number, request: SeekRequest): Later;
  /** @param plus whether all that is known of what is listed goes along */
  readDirectory(node: number, request: ReadRequest, plus: boolean): Later;
  /** The kernel has said hello. */
  begun(): void;
  /** @param size bytes that there is room for, 0 when only the length is asked for */
  xattr(node: number, name: Buffer, size: number): Later;
  xattrNames(node: number, size: number): Later;
}

/** Requests that are read before others get their turn. */
const AT_A_TURN = 64;
/**
 * Milliseconds for which it is looked whether who was answered asks again: many do, and to sleep and be woken takes both sides longer than that.
 */
const LINGER_MS = 0.06;
/** Bytes of the longest request. */
const ROOM = 128 * 1024;

/** Speaks with the kernel until the mount is gone. */
export class Session {
  readonly #file: number;
  readonly #handlers: Handlers;
  readonly #acl: boolean;
  readonly #calls: Calls = calls();
  readonly #room = Buffer.allocUnsafeSlow(ROOM);
  readonly #header = Buffer.allocUnsafeSlow(OUT_HEADER);
  /** Requests that are not answered yet; those that nobody waits for any more are taken out. */
  readonly #open = new Set<bigint>();
  readonly #onDefect: (cause: unknown) => void;
  /** The kernel does so by itself. */
  #opensDirectories = false;
  /** Requests that may be read before others get their turn. */
  #left = 0;
  #waiting: Waiting | undefined;
  #end: () => void = () => undefined;
  /** Resolves when the mount is gone. */
  readonly ended: Promise<void>;

  /**
   * @param acl whether the kernel is to heed POSIX ACLs
   * @param onDefect is told what a handler threw
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
      this.#left = AT_A_TURN;
      this.#turn();
    });
  }

  /** Ends it whatever is going on: who waits for an answer gets an error of the kernel. */
  close(): void {
    if (this.#waiting === undefined) return;
    this.#waiting.close();
    this.#waiting = undefined;
    closeSync(this.#file);
    this.#open.clear();
    this.#end();
  }

  /** @param until when it is to be looked no more whether somebody asks, by performance.now() */
  #turn(until = 0): void {
    let end = until;
    // Whether nobody else is known to wait: the request came when there was none.
    let alone = true;
    while (this.#left > 0 && this.#waiting !== undefined) {
      const length = this.#calls.read(this.#file, this.#room, ROOM);
      if (length > 0) {
        this.#left--;
        this.#take(this.#room.subarray(0, length), length, alone);
        end = performance.now() + LINGER_MS;
        alone = false;
        continue;
      }
      const errno = length === 0 ? ENODEV : this.#calls.errno();
      if (errno === EAGAIN) {
        alone = this.#open.size === 0;
        if (!alone || performance.now() >= end) return;
        // ENOENT: the request was taken back just then.
      } else if (errno !== EINTR && errno !== ENOENT) return this.close();
    }
  }

  #take(bytes: Buffer, length: number, alone: boolean): void {
    const request = readRequest(bytes);
    if (this.#isWithoutReply(request, bytes, length)) return;
    try {
      const answer = this.#ask(request, bytes, length, alone);
      if (answer instanceof Promise) this.#later(request.unique, answer);
      else this.#reply(request.unique, answer);
    } catch (cause) {
      this.#onDefect(cause);
      this.#reply(request.unique, EIO);
    }
  }

  #later(unique: bigint, promised: Promise<Answer | Views>): void {
    this.#open.add(unique);
    const settle = (answer: Answer | Views): void => {
      if (!this.#open.delete(unique)) return;
      const now = typeof answer === 'function' ? answer() : answer;
      if (now instanceof Promise) this.#later(unique, now);
      else {
        this.#reply(unique, now);
        // Who was answered may ask again at once.
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

  #ask({ opcode, node }: Request, bytes: Buffer, length: number, alone: boolean): Later {
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
        // OPEN and FLUSH too: the kernel then opens and closes files by itself, and keeps what it has read of them.
        return ENOSYS;
    }
  }

  #init(bytes: Buffer): Answer {
    const { minor, maxReadahead, flags } = readInit(bytes);
    setImmediate(() => this.#handlers.begun());
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
      // ENOENT: nobody waits for it any more. ENODEV: the mount is gone, which the next reading tells.
      const code = errnoCode(cause);
      if (code !== 'ENOENT' && code !== 'ENODEV') this.#onDefect(cause);
    }
  }
}
