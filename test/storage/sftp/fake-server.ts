import type { Buffer } from 'node:buffer';
import { type Duplex, duplexPair } from 'node:stream';
import { VarveError } from '../../../src/errors/errors.js';
import { type End, SftpClient } from '../../../src/storage/sftp/client.js';
import { PacketStream } from '../../../src/storage/sftp/packet-stream.js';
import { encodePacket, type Field, FieldReader, TYPE } from '../../../src/storage/sftp/protocol.js';

/** A request as the server sees it. */
export interface Asked {
  readonly type: number;
  readonly id: number;
  /** What follows the id. */
  readonly fields: FieldReader;
}

type Answer = Buffer | undefined;

/** A server in memory that answers as a test has it. */
export class FakeServer {
  readonly asked: Asked[] = [];
  readonly stream: Duplex;
  readonly #client: Duplex;
  answer: (asked: Asked) => Answer = () => undefined;

  constructor({ hello = version(3) }: { readonly hello?: Buffer | undefined } = {}) {
    [this.#client, this.stream] = duplexPair();
    const packets = new PacketStream({
      onPacket: (type, body) => {
        if (type === TYPE.init) return void this.stream.write(hello);
        const fields = new FieldReader(body);
        const asked = { type, id: fields.u32(), fields };
        this.asked.push(asked);
        const reply = this.answer(asked);
        if (reply !== undefined) this.stream.write(reply);
      },
      contentsFor: () => undefined,
      onContents: () => undefined,
    });
    this.stream.on('data', (bytes: Buffer) => packets.feed(bytes));
    this.stream.on('error', () => undefined);
  }

  /** A client of this server, which passes the end of the connection on unchanged. */
  connect(given: { idleTimeoutSeconds?: number; signal?: AbortSignal } = {}): Promise<SftpClient> {
    const explain = async ({ begun, text, malformed }: End): Promise<VarveError> =>
      malformed ??
      new VarveError('storage', `ended ${begun ? 'after' : 'before'} it began: ${text}`, { retryable: begun });
    const options = {
      signal: given.signal,
      explain,
      get idleTimeoutSeconds() {
        return given.idleTimeoutSeconds ?? 60;
      },
    };
    return SftpClient.connect(this.#client, options);
  }

  /** Waits until that many requests have come. */
  async until(requests: number): Promise<void> {
    while (this.asked.length < requests) await new Promise((resolve) => setImmediate(resolve));
  }
}

export function version(number: number, ...extensions: Field[]): Buffer {
  return encodePacket(TYPE.version, [number, ...extensions]);
}

export const status = (id: number, code: number, message = ''): Buffer =>
  encodePacket(TYPE.status, [id, code, message, 'en']);
export const handle = (id: number, text = 'handle'): Buffer => encodePacket(TYPE.handle, [id, text]);
export const data = (id: number, bytes: Uint8Array): Buffer => encodePacket(TYPE.data, [id, bytes]);
