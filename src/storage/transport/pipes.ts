import type { Buffer } from 'node:buffer';
import { Duplex, type Readable, type Writable } from 'node:stream';

/**
 * A program's pipes as one stream. Node's Duplex.from drops what is still to be read when the program closes its standard input, and never
 * tells who writes that it failed.
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
    // Who writes next is told of it.
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

  /** Without waiting until all is sent: what Node's HTTP/2 wants to send after it has asked for the end, and before that has come, fails an assertion. */
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
