// Decides which paths a backup excludes, and why.
// patterns.ts matches; the walker asks.
import { Buffer } from 'node:buffer';
import { closeSync, fstatSync, readSync } from 'node:fs';
import type { Int64 } from '../bytes/int64.js';
import { errnoCode, systemReason, VarveError } from '../errors/errors.js';
import { joinPath } from '../format/path.js';
import { bytesToText } from './byte-text.js';
import type { Directory } from './directory.js';
import { type PatternList, parsePatterns } from './patterns.js';
import type { FileType } from './stat.js';

/** What a backup leaves out, as plain data that crosses threads. Lines of exclude files are merged in already. */
export interface FilterSpec {
  readonly excludes: readonly string[];
  readonly iexcludes: readonly string[];
  /** JavaScript regular expressions, looked for anywhere in the path. */
  readonly excludeRegexes: readonly string[];
  readonly excludeCaches: boolean;
  /** `FILE[:header]` each. */
  readonly excludeIfPresent: readonly string[];
  readonly excludeLargerThan?: number;
  readonly oneFileSystem: boolean;
}

/** A filter that leaves nothing out. */
export const NO_FILTER: FilterSpec = {
  excludes: [],
  iexcludes: [],
  excludeRegexes: [],
  excludeCaches: false,
  excludeIfPresent: [],
  oneFileSystem: false,
};

/** Why a directory is kept without what it contains. */
export interface ContentsRule {
  readonly rule: string;
  /** The one name that is kept nevertheless: the tag file that says so. */
  readonly kept?: Buffer;
}

interface Tag {
  readonly rule: string;
  readonly name: Buffer;
  readonly header: Buffer;
}

const CACHE_TAG = 'CACHEDIR.TAG:Signature: 8a477f597d28d172789f06886806bc55';

/**
 * Decides as `restic backup` does what is left out. Every method answers with the rule that rejects, in the words of
 * the command line, or undefined. Paths are absolute.
 */
export class BackupFilter {
  readonly #excludes: PatternList;
  readonly #iexcludes: PatternList;
  readonly #regexes: readonly RegExp[];
  readonly #tags: readonly Tag[];
  readonly #largest: number;
  readonly #oneFileSystem: boolean;
  readonly #warn: (message: string) => void;
  /** False when no path is ever rejected by name: then `rejectPath` need not be called. */
  readonly filtersPaths: boolean;

  /** `warn` hears of tag files that are there but cannot be read or do not have the header asked for. */
  constructor(spec: FilterSpec, warn: (message: string) => void = () => {}) {
    this.#excludes = parsePatterns(spec.excludes);
    this.#iexcludes = parsePatterns(spec.iexcludes, { insensitive: true });
    this.#regexes = spec.excludeRegexes.map(parseRegex);
    this.#tags = [
      ...(spec.excludeCaches ? [{ ...parseTag(CACHE_TAG), rule: '--exclude-caches' }] : []),
      ...spec.excludeIfPresent.map(parseTag),
    ];
    this.#largest = spec.excludeLargerThan ?? Number.POSITIVE_INFINITY;
    this.#oneFileSystem = spec.oneFileSystem;
    this.#warn = warn;
    this.filtersPaths = !(this.#excludes.empty && this.#iexcludes.empty) || this.#regexes.length > 0;
  }

  /** By name alone, before anything is read. What is below a rejected path is rejected too. */
  rejectPath(path: Buffer): string | undefined {
    if (!this.filtersPaths) return undefined;
    const rule = this.#excludes.matchingRule(path);
    if (rule !== undefined) return `--exclude=${rule}`;
    const insensitive = this.#iexcludes.matchingRule(path);
    if (insensitive !== undefined) return `--iexclude=${insensitive}`;
    if (this.#regexes.length === 0) return undefined;
    const text = bytesToText(path);
    const regex = this.#regexes.find((each) => each.test(text));
    return regex && `--exclude-regex=${regex.source}`;
  }

  /**
   * By what lstat tells. Everything but directories has a size that can be too large. A directory on another file
   * system is kept (it is where that one is mounted); `rejectMount` then rejects what it contains.
   */
  rejectNode(type: FileType, size: number, device: Int64, rootDevice: Int64): string | undefined {
    if (type === 'directory') return undefined;
    if (size > this.#largest) return `--exclude-larger-than=${this.#largest}`;
    return this.#oneFileSystem && device !== rootDevice ? '--one-file-system' : undefined;
  }

  /** Whether a directory is kept empty because it is on another file system. */
  rejectMount(device: Int64, rootDevice: Int64): ContentsRule | undefined {
    return this.#oneFileSystem && device !== rootDevice ? { rule: '--one-file-system' } : undefined;
  }

  /**
   * Whether a directory is kept empty because it contains a tag file, with the header asked for. The directory itself
   * stays, and the tag file in it, as in restic. The rule goes for what is in the directory that has the tag, so for a
   * file named as a backup's source, the directory it is in counts.
   */
  rejectTagged(directory: Directory): ContentsRule | undefined {
    let found: ContentsRule | undefined;
    for (const tag of this.#tags) {
      if (!this.#hasTag(directory, tag)) continue;
      if (found?.kept !== undefined && !found.kept.equals(tag.name)) return { rule: found.rule };
      found ??= { rule: tag.rule, kept: tag.name };
    }
    return found;
  }

  #hasTag(directory: Directory, tag: Tag): boolean {
    const path = joinPath(directory.path, tag.name);
    try {
      directory.lstat(tag.name);
      if (tag.header.length === 0 || readStart(directory, tag).equals(tag.header)) return true;
      this.#warn(`${path}: not the header that ${tag.rule} asks for, so nothing is left out`);
    } catch (error) {
      if (errnoCode(error) === 'ENOENT') return false;
      this.#warn(`${path}: ${systemReason(error)}, so ${tag.rule} leaves nothing out`);
    }
    return false;
  }
}

function parseTag(text: string): Tag {
  const colon = text.indexOf(':');
  const name = colon < 0 ? text : text.slice(0, colon);
  if (name === '') throw new VarveError('usage', `--exclude-if-present=${text}: no file name before the header`);
  if (/[/\0]/.test(name)) throw new VarveError('usage', `--exclude-if-present=${text}: a name, not a path, is needed`);
  const header = Buffer.from(colon < 0 ? '' : text.slice(colon + 1));
  return { rule: `--exclude-if-present=${text}`, name: Buffer.from(name), header };
}

function readStart(directory: Directory, tag: Tag): Buffer {
  const file = directory.openFile(tag.name);
  try {
    const buffer = Buffer.alloc(fstatSync(file).isFile() ? tag.header.length : 0);
    let filled = 0;
    while (filled < buffer.length) {
      const read = readSync(file, buffer, filled, buffer.length - filled, filled);
      if (read === 0) break;
      filled += read;
    }
    return buffer.subarray(0, filled);
  } finally {
    closeSync(file);
  }
}

/** @throws VarveError `usage` for what is no regular expression */
export function parseRegex(source: string): RegExp {
  try {
    return new RegExp(source, 'u');
  } catch (cause) {
    throw new VarveError('usage', `--exclude-regex=${source}: ${(cause as Error).message}`);
  }
}

const UNITS: Record<string, number> = { b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** A size as restic writes it: a whole number, and b, k, m, g or t in either case; k is 1024. */
export function parseSize(text: string): number {
  const [, digits, suffix] = /^\+?(\d+)([bkmgt]?)$/i.exec(text) ?? [];
  const size = Number(digits) * (UNITS[suffix?.toLowerCase() || 'b'] ?? 1);
  if (Number.isSafeInteger(size)) return size;
  throw new VarveError(
    'usage',
    `'${text}' is not a size: a whole number is needed, with k, M, G or T after it if wanted`,
  );
}
