// Cuts a stream into SFTP packets.
// protocol.ts decodes them.
import { Buffer } from 'node:buffer';
import { malformed, TYPE } from './protocol.js';

/** The largest accepted packet in bytes. Servers send at most 256 KiB. */
export const MAX_PACKET = 1024 * 1024;
/** Length and type. */
const HEAD = 5;
/** Length, type, id and length of the contents. */
const DATA_HEAD = 13;

export interface PacketReceiver {
  /** @param body what follows the type */
  onPacket(type: number, body: Buffer): void;
  /** File contents have begun. @returns a buffer of that length, or undefined to discard them */
  contentsFor(id: number, length: number): Uint8Array | undefined;
  /** All contents are in the buffer. */
  onContents(id: number, length: number): void;
}

/** Cuts the input into packets. File contents go straight to their buffer; all other packets are small. */
export class PacketStream {
  readonly #receiver: PacketReceiver;
  readonly #head = Buffer.alloc(DATA_HEAD);
  #headFilled = 0;
  /** Bytes of the packet that are still missing after its head. */
  #missing = 0;
  #target: Uint8Array | undefined;
  #filled = 0;

  constructor(receiver: PacketReceiver) {
    this.#receiver = receiver;
  }

  /** @throws VarveError when it is not SFTP */
  feed(chunk: Buffer): void {
    for (let at = 0; at < chunk.length || this.#complete(); ) {
      if (this.#complete()) this.#finish();
      else if (this.#headFilled < this.#headLength()) at += this.#fillHead(chunk, at);
      else at += this.#fillBody(chunk, at);
    }
  }

  #headLength(): number {
    return this.#headFilled >= HEAD && this.#head[4] === TYPE.data ? DATA_HEAD : HEAD;
  }

  #complete(): boolean {
    return this.#headFilled >= HEAD && this.#headFilled === this.#headLength() && this.#missing === 0;
  }

  #fillHead(chunk: Buffer, at: number): number {
    const taken = chunk.copy(this.#head, this.#headFilled, at, at + this.#headLength() - this.#headFilled);
    this.#headFilled += taken;
    if (this.#headFilled === this.#headLength()) this.#begin();
    return taken;
  }

  #begin(): void {
    const length = this.#head.readUInt32BE(0);
    if (length < 1 || length > MAX_PACKET) throw malformed(`a packet of ${length} bytes`);
    this.#filled = 0;
    if (this.#head[4] !== TYPE.data) {
      this.#missing = length - 1;
      this.#target = Buffer.alloc(this.#missing);
      return;
    }
    this.#missing = this.#head.readUInt32BE(9);
    if (this.#missing !== length - (DATA_HEAD - 4))
      throw malformed('file contents of another length than their packet');
    this.#target = this.#receiver.contentsFor(this.#head.readUInt32BE(5), this.#missing);
  }

  #fillBody(chunk: Buffer, at: number): number {
    const taken = Math.min(this.#missing, chunk.length - at);
    this.#target?.set(chunk.subarray(at, at + taken), this.#filled);
    this.#filled += taken;
    this.#missing -= taken;
    return taken;
  }

  #finish(): void {
    const target = this.#target;
    const type = this.#head[4] as number;
    this.#headFilled = 0;
    this.#target = undefined;
    if (type === TYPE.data) this.#receiver.onContents(this.#head.readUInt32BE(5), this.#filled);
    else this.#receiver.onPacket(type, target as Buffer);
  }
}
