import { closeSync, openSync, readSync, truncateSync, writeFileSync } from 'node:fs';
import { freemem } from 'node:os';
import { join } from 'node:path';

const PIECE = 4 * 1024 * 1024;
/** Bytes that stay free, so that nothing is evicted. */
const MARGIN = 512 * 1024 * 1024;

/**
 * Fills free memory with pages of a file that is one hole: the kernel reclaims them as soon as a program needs memory. The host of a virtual
 * machine takes back free memory, and the program that needs it first would pay CPU time to get it again.
 */
export class Ballast {
  readonly #path: string;
  #size = 0;

  constructor(directory: string) {
    this.#path = join(directory, 'ballast');
    writeFileSync(this.#path, '');
  }

  fill(): void {
    const wanted = freemem() - MARGIN;
    if (wanted < PIECE) return;
    const start = this.#size;
    this.#size += wanted;
    truncateSync(this.#path, this.#size);
    const file = openSync(this.#path, 'r');
    const piece = Buffer.allocUnsafe(PIECE);
    for (let at = start; at < this.#size; at += PIECE) readSync(file, piece, 0, PIECE, at);
    closeSync(file);
  }
}
