import type { Buffer } from 'node:buffer';
import { Duplex, type Readable, type Writable } from 'node:stream';

/**
 * A program's pipes as one stream. Node's Duplex.from drops unread output when the program closes its standard input, and reports no failed
 * write.
 */
export class Pipes extends Duplex {
  readonly #output: Readable;
  readonly #input: Writable;

  /** @param output the program's @param input the program's */
  constructor(output: Readable, input: Writable) {
    super({ allowHalfOpen: true });
    this.#output = output;
    this.#input = input;
    output.on('data', (bytes: Buffer) => {
      if (!this.push(bytes)) output.pause();
    });
    output.pause();
    output.on('end', () => this.push(null));
    output.on('error', (error) => this.destroy(error));
    output.on('close', () => {
      if (!output.readableEnded) this.destroy();
    });
    // The next write reports it.
    input.on('error', () => undefined);
  }

  override _read(): void {
    this.#output.resume();
  }

  override _write(bytes: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#input.write(bytes, done);
  }

  override _writev(chunks: readonly { readonly chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#input.cork();
    chunks.forEach(({ chunk }, at) => {
      this.#input.write(chunk, at === chunks.length - 1 ? done : undefined);
    });
    this.#input.uncork();
  }

  /** Does not wait until everything is sent: Node's HTTP/2 fails an assertion when it writes between its request to end and the end. */
  override _final(done: (error?: Error | null) => void): void {
    this.#input.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#output.destroy();
    this.#input.destroy();
    done(error);
  }
}
