import { createCipheriv, createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, rmSync, symlinkSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { seeded } from '../filesystem/random.js';

const MIB = 2 ** 20;

/** Bytes that follow from the seed: noise, or text that compresses. */
export function content(seed: string, length: number, text: boolean): Buffer {
  const key = createHash('sha256').update(seed).digest();
  const cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
  if (!text) return cipher.update(Buffer.alloc(length));
  return Buffer.from(cipher.update(Buffer.alloc(Math.ceil(length / 2))).toString('hex')).subarray(0, length);
}

/** A mixed set of files that changes from round to round; all of it follows from the seed. */
export class Source {
  readonly directory: string;
  readonly #random: ReturnType<typeof seeded>;
  readonly #seed: number;
  readonly #files: { readonly path: string; readonly size: number; readonly text: boolean }[] = [];
  readonly #large: string;
  readonly #largeSize: number;
  #version = 0;

  /** @param mebibytes about how much there is */
  constructor(directory: string, mebibytes: number, seed: number) {
    this.directory = directory;
    this.#seed = seed;
    this.#random = seeded(seed);
    this.#large = join(directory, 'disk.img');
    this.#largeSize = Math.floor((mebibytes * MIB) / 3);
    this.#build(mebibytes);
  }

  #build(mebibytes: number): void {
    const small = mebibytes * 8;
    for (let number = 0; number < small; number++) {
      const directory = join(this.directory, `folder ${number % 17}`, `sub ${number % 5}`);
      mkdirSync(directory, { recursive: true });
      this.#files.push({ path: join(directory, `small ${number}.txt`), size: this.#random.below(24_000), text: true });
    }
    for (let left = (mebibytes * MIB) / 1.75; left > 0; ) {
      const size = 200_000 + this.#random.below(4 * MIB);
      const number = this.#files.length;
      this.#files.push({ path: join(this.directory, `medium ${number}`), size, text: number % 3 === 0 });
      left -= size;
    }
    for (const file of this.#files) this.#write(file);
    writeFileSync(this.#large, content(`${this.#seed} large`, this.#largeSize, false));
    symlinkSync('disk.img', join(this.directory, 'link'));
  }

  #write({ path, size, text }: { readonly path: string; readonly size: number; readonly text: boolean }): void {
    writeFileSync(path, content(`${this.#seed} ${path.slice(this.directory.length)} ${this.#version}`, size, text));
  }

  /** Writes a part of the files anew (0 to 1), and something into the large one. */
  change(part: number): void {
    this.#version++;
    for (const file of this.#files) if (this.#random.below(1000) < part * 1000) this.#write(file);
    const gone = this.#random.pick(this.#files);
    rmSync(gone.path, { force: true });
    const file = openSync(this.#large, 'r+');
    for (let i = 0; i < 6; i++) {
      const at = this.#random.below(this.#largeSize - MIB);
      writeSync(
        file,
        content(`${this.#seed} ${this.#version} ${i}`, Math.floor(part * MIB), false),
        0,
        Math.floor(part * MIB),
        at,
      );
    }
    closeSync(file);
  }
}
