import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { AT_FDCWD, utimensat } from '../../src/filesystem/posix.js';

/** One thing that is done to a tree. Paths are made of few names, so that they meet. */
export type Step =
  | { readonly do: 'file'; readonly path: string; readonly size: number; readonly seed: number }
  | { readonly do: 'folder' | 'remove'; readonly path: string }
  | { readonly do: 'symlink'; readonly path: string; readonly target: string }
  | { readonly do: 'link' | 'rename'; readonly path: string; readonly to: string }
  | { readonly do: 'mode'; readonly path: string; readonly mode: number }
  | { readonly do: 'time'; readonly path: string; readonly seconds: number; readonly nanoseconds: number };

const name = fc.constantFrom('a', 'b', 'c', 'B', 'a.txt', 'b.txt', 'ä', 'x y');
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join('/'));
const record = <T extends object>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record<T>(model) as fc.Arbitrary<T>;

export const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: record<Step>({
      do: fc.constant('file'),
      path,
      size: fc.oneof(fc.nat(100), fc.nat(400_000)),
      seed: fc.nat(3),
    }),
  },
  { weight: 2, arbitrary: record<Step>({ do: fc.constantFrom('folder', 'remove'), path }) },
  { weight: 1, arbitrary: record<Step>({ do: fc.constant('symlink'), path, target: path }) },
  { weight: 2, arbitrary: record<Step>({ do: fc.constantFrom('link', 'rename'), path, to: path }) },
  {
    weight: 1,
    arbitrary: record<Step>({ do: fc.constant('mode'), path, mode: fc.constantFrom(0o644, 0o600, 0o755, 0o4700) }),
  },
  {
    weight: 1,
    arbitrary: record<Step>({
      do: fc.constant('time'),
      path,
      seconds: fc.integer({ min: -1e9, max: 2e9 }),
      nanoseconds: fc.nat(999_999_999),
    }),
  },
);

/** The same bytes for the same seed and size; seeds share their beginnings, so that chunks repeat. */
function content(size: number, seed: number): Buffer {
  const blocks: Buffer[] = [];
  for (let at = 0; at < size; at += 32)
    blocks.push(
      createHash('sha256')
        .update(`${at < 200_000 ? 0 : seed}/${at}`)
        .digest(),
    );
  return Buffer.concat([Buffer.from(`${seed}`), ...blocks]).subarray(0, size);
}

/** Does what can be done of the steps, below `root`. */
export function apply(root: string, steps: readonly Step[]): void {
  for (const each of steps) {
    try {
      perform(root, each);
    } catch {
      // Something else is in the way: then this step is none.
    }
  }
}

function perform(root: string, each: Step): void {
  const at = join(root, each.path);
  switch (each.do) {
    case 'file':
      mkdirSync(dirname(at), { recursive: true });
      if (lstatSync(at, { throwIfNoEntry: false })?.isSymbolicLink()) return;
      return writeFileSync(at, content(each.size, each.seed));
    case 'folder':
      mkdirSync(at, { recursive: true });
      return;
    case 'remove':
      return rmSync(at, { recursive: true });
    case 'symlink':
      mkdirSync(dirname(at), { recursive: true });
      // No folder, so that nothing is reached by two ways.
      return symlinkSync(`nowhere/${each.target}`, at);
    case 'link':
      return linkSync(at, join(root, each.to));
    case 'rename':
      return renameSync(at, join(root, each.to));
    case 'mode':
      if (lstatSync(at).isSymbolicLink()) return;
      return chmodSync(at, lstatSync(at).isDirectory() ? each.mode | 0o700 : each.mode);
    case 'time': {
      const time = { seconds: each.seconds, nanoseconds: each.nanoseconds };
      return utimensat(AT_FDCWD, Buffer.from(at), time, time);
    }
  }
}

export function empty(root: string): void {
  for (const each of readdirSync(root)) rmSync(join(root, each), { recursive: true });
}
