// Findings of a check: the problem, the affected snapshots and files, and the advice.
// The steps of the check find the problems; the command line prints them.
import type { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { isAboutObject, isUnreadable, VarveError } from '../errors/errors.js';
import { shortId } from '../repository/snapshots/snapshots.js';
import { type ObjectType, objectPath } from '../storage/store.js';
import { isGone } from './verdicts.js';

/** The reason for a pack that the index lists and the store lacks. */
export const IS_MISSING = 'is missing';
/** How many reasons are reported for one object. */
const MAX_REASONS = 4;
/** Bytes of the hashes in a set: 128 bits suffice to distinguish all. */
const KEY_BYTES = 16;

/** What to do; `ID` stands for the object's name. */
export const ADVICE = {
  config: 'put it back from another copy of the repository',
  keys: 'that key opens nothing any more: make a new one with `varve key add`, and delete the object',
  index: '`varve repair index` rebuilds the index from the packs',
  snapshots:
    'put it back from another copy of the repository; else `varve recover` makes another of what it held, and `varve forget ID` removes it',
  data: 'put it back from another copy of the repository; else `varve repair packs ID` saves what can be read of it',
  missing:
    'put it back from another copy of the repository; else `varve repair index` takes it out of the index, so that the next backup stores again what it still finds',
  locks: 'it does no harm, a lease only informs: delete the object',
  blobs:
    'if there are packs that no index object lists, `varve repair index` lists them; else put the missing packs back from another copy of the repository; else, when nothing else is wrong, a backup stores again what it still finds, then `varve repair snapshots --forget` makes snapshots without what is lost, and `varve forget` removes those of which nothing is left',
  trees:
    'the program that wrote this was faulty, or another than varve; all else of these snapshots can be restored, and `varve repair snapshots` makes snapshots without it',
} as const;

const HEALABLE = 'its parity can heal it: run `varve check --repair`';

/** Advice for unreadable objects. Only reading shows whether an object is sound, so no repair comes first. */
const WHEN_DENIED = 'it may be sound, and nothing is to be repaired: let varve read it, then run check again';
const WHEN_UNREADABLE =
  'it may be sound: run check again; if it stays so, look at the disk (`dmesg`, `smartctl`), its cable or the network, and copy the repository to another disk before anything is repaired';
const WHEN_INDEX_UNREADABLE = 'an unreadable part of the index may list them: see above, then run check again';

/** A damaged object; or `blobs` that are missing everywhere, and `trees` that contradict themselves. */
export type Subject = Exclude<keyof typeof ADVICE, 'missing'>;

/** A problem and the snapshots and files that it affects. */
export class Finding {
  readonly subject: Subject;
  /** The object's name; empty when the problem is not about a single object. */
  readonly name: string;
  /** Ids of the affected snapshots. */
  readonly snapshots = new Set<string>();
  /** The affected files by their paths in snapshots, up to the limit; an unreadable directory ends with a slash. */
  readonly files: Buffer[] = [];
  /** Whether the pack's parity can heal it. */
  healable = false;
  /** Whether an unreadable index object may be the cause. */
  uncertain = false;
  readonly #maxFiles: number;
  readonly #reasons: string[] = [];
  readonly #known = new Set<string>();
  #uncounted = 0;
  #unreadable: 'denied' | 'storage' | undefined;
  /** Whether the only problem is that something was missing. */
  #onlyAbsent = true;
  #damaged = false;

  constructor(subject: Subject, name: string, maxFiles: number) {
    this.subject = subject;
    this.name = name;
    this.#maxFiles = maxFiles;
  }

  /** The name in messages: `data/1a2b…`. */
  get object(): string {
    if (this.subject === 'blobs' || this.subject === 'trees') return this.subject;
    return objectPath(this.subject, this.name);
  }

  get reason(): string {
    return this.#reasons.join('; ');
  }

  get message(): string {
    return this.name === '' && this.subject !== 'config' ? this.reason : `${this.object}: ${this.reason}`;
  }

  /** Whether it could only not be read: it may be sound. */
  get unreadable(): boolean {
    return this.#unreadable !== undefined && !this.#damaged;
  }

  get advice(): string {
    if (this.healable) return HEALABLE;
    if (this.unreadable) return this.#unreadable === 'denied' ? WHEN_DENIED : WHEN_UNREADABLE;
    if (this.uncertain) return WHEN_INDEX_UNREADABLE;
    const kind = this.reason === IS_MISSING ? 'missing' : this.subject;
    return ADVICE[kind].replaceAll('ID', shortId(this.name));
  }

  get fileCount(): number {
    return this.#known.size + this.#uncounted;
  }

  /** Whether the limit of named files is reached. */
  get isFull(): boolean {
    return this.files.length >= this.#maxFiles;
  }

  /** @param reason what is wrong with it */
  add(reason: string): void {
    this.#onlyAbsent = false;
    this.#damaged = true;
    this.#addReason(reason);
  }

  /** @param reason what is missing, perhaps because another command removed it as unneeded */
  addAbsence(reason: string): void {
    this.#damaged = true;
    this.#addReason(reason);
  }

  get isAbsence(): boolean {
    return this.#onlyAbsent;
  }

  /** @param error why it could not be read */
  addUnreadable(reason: string, { code }: VarveError): void {
    this.#onlyAbsent = false;
    this.#unreadable = code === 'denied' ? 'denied' : 'storage';
    this.#addReason(reason);
  }

  /** @param reason why a healed pack could not be put in its place */
  addUnhealed(reason: string): void {
    this.#onlyAbsent = false;
    this.#addReason(reason);
  }

  #addReason(reason: string): void {
    if (this.#reasons.length < MAX_REASONS && !this.#reasons.includes(reason)) this.#reasons.push(reason);
  }

  touch(path: Buffer): void {
    const key = createHash('sha256').update(path).digest().toString('latin1', 0, KEY_BYTES);
    if (this.#known.has(key)) return;
    this.#known.add(key);
    if (!this.isFull) this.files.push(path);
  }

  /** Counts files beyond the limit. */
  count(files: number): void {
    this.#uncounted += files;
  }
}

/** All problems: one finding for each object. */
export class Findings {
  readonly #all = new Map<string, Finding>();
  readonly #maxFiles: number;
  readonly #onFinding: (finding: Finding) => void;

  constructor(maxFiles: number, onFinding: (finding: Finding) => void = () => undefined) {
    this.#maxFiles = maxFiles;
    this.#onFinding = onFinding;
  }

  get all(): Finding[] {
    return [...this.#all.values()];
  }

  get count(): number {
    return this.#all.size;
  }

  has(subject: Subject): boolean {
    return this.all.some((finding) => finding.subject === subject);
  }

  get(subject: Subject, name: string): Finding | undefined {
    return this.#all.get(`${subject}/${name}`);
  }

  add(subject: Subject, name: string, reason: string): Finding {
    return this.#note(subject, name, (finding) => finding.add(reason));
  }

  addAbsence(subject: Subject, name: string, reason: string): Finding {
    return this.#note(subject, name, (finding) => finding.addAbsence(reason));
  }

  /**
   * Adds the reason why an object could not be read or opened.
   *
   * @throws the cause, unless it is about the object
   */
  addError(type: ObjectType, name: string, cause: unknown): Finding {
    const reason = reasonOf(objectPath(type, name), cause);
    return this.#note(type, name, (finding) => {
      if (isGone(cause)) finding.addAbsence(reason);
      else if (!isUnreadable(cause)) finding.add(reason);
      else finding.addUnreadable(NOT_READ.test(reason) ? reason : `cannot be read: ${reason}`, cause as VarveError);
    });
  }

  #note(subject: Subject, name: string, add: (finding: Finding) => void): Finding {
    const known = this.get(subject, name);
    const finding = known ?? new Finding(subject, name, this.#maxFiles);
    add(finding);
    this.#all.set(`${subject}/${name}`, finding);
    if (known === undefined) this.#onFinding(finding);
    return finding;
  }
}

const NOT_READ = /^cannot be read/;

/** The reason without the object's path in front and without advice, which the finding gives. @throws the cause, unless it is about an object */
export function reasonOf(path: string, cause: unknown): string {
  if (!(cause instanceof VarveError) || !isAboutObject(cause)) throw cause;
  const begun = [`${path}: `, `cannot read ${path}: `].find((each) => cause.message.startsWith(each)) ?? '';
  const text = cause.message.slice(begun.length);
  return text.replace(/; run `varve check[^`]*`$/, '');
}
