// Opens the key slot that a password or key file fits, with a bound on the time that this may take.
// Changing key slots is left to key-slots.ts, the cryptography to crypto/slot.ts.

import pLimit from 'p-limit';
import { toHex } from '../../bytes/hex.js';
import {
  type OpenedSlot,
  openSlot,
  type Protection,
  slotEpochIn,
  slotIdIn,
  slotProtection,
} from '../../crypto/slot.js';
import { DEFAULT_LOG2N, scryptMemory, type Unlock } from '../../crypto/slot-file.js';
import { isUnreadable, VarveError } from '../../errors/errors.js';
import type { Store } from '../../storage/store.js';
import { REQUESTS } from '../../workers/in-flight.js';
import { keyNames, listKeys } from '../key-names.js';
import { fetchObject } from '../repository.js';

/**
 * Anyone who writes to the store can add slots, so this bounds the cost of trying them. A slot with the default parameters costs 1,
 * which is about a quarter of a second. None costs more than 32.
 */
const MOST_COST = 128;
/** From this cost on, the user gets a notice. */
const NOTICED_COST = 8;
const SECONDS_PER_COST = 0.3;

export interface SlotOptions {
  readonly unlock: Unlock;
  /** The beginning of a key slot's id, or of its object's name. Only matching slots are tried. */
  readonly keyHint?: string | undefined;
  /** Id of the slot to try first, in hex. */
  readonly preferred?: string | undefined;
  /** Gets a notice when opening takes long. */
  readonly onNotice?: ((text: string) => void) | undefined;
}

/** An object in `keys/` that the password or key file may open. */
export interface Candidate {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Id of its slot, in hex. */
  readonly slot: string;
  readonly epoch: number;
  readonly cost: Cost;
}

interface Cost {
  readonly time: number;
  /** Bytes. */
  readonly memory: number;
}

export interface Candidates {
  readonly candidates: readonly Candidate[];
  /** Why other objects cannot be tried. */
  readonly failures: VarveError[];
}

/** Listings of the keys before a failure is believed. */
const LISTINGS = 5;

/**
 * Opens a key slot, even while keys are being changed. A slot then has two objects, and a listing may have neither, or one that is gone
 * before it is fetched. So this lists the keys again before it believes a failure or an outdated slot.
 *
 * @param isOutdated whether this machine has seen a newer epoch than the slot's
 * @returns an outdated slot only when there is no other
 * @throws VarveError as `openAnySlot`
 */
export async function openCurrentSlot(
  store: Store,
  first: Candidates,
  options: SlotOptions,
  isOutdated: (opened: OpenedSlot) => boolean,
): Promise<OpenedSlot> {
  let read = first;
  for (let listings = 1; ; listings++) {
    const outcome = await openAnySlot(store, read, options).catch((cause: unknown) => VarveError.from(cause));
    if (!(outcome instanceof VarveError) && !isOutdated(outcome)) return outcome;
    const again = listings < LISTINGS ? await readCandidates(store, options) : read;
    if (isSame(again, read)) {
      if (outcome instanceof VarveError) throw outcome;
      return outcome;
    }
    read = again;
  }
}

function isSame(a: Candidates, b: Candidates): boolean {
  const names = ({ candidates }: Candidates): string =>
    candidates
      .map(({ name }) => name)
      .sort()
      .join();
  return names(a) === names(b);
}

/** @throws VarveError `wrong-password` when no slot fits, or the reason why a slot that might fit cannot be read */
async function openAnySlot(
  store: Store,
  { candidates, failures }: Candidates,
  options: SlotOptions,
): Promise<OpenedSlot> {
  const { attempts, omitted } = planAttempts(candidates, options.preferred);
  let spent = 0;
  for (const [at, candidate] of attempts.entries()) {
    const { time } = candidate.cost;
    if (spent < NOTICED_COST && spent + time >= NOTICED_COST) options.onNotice?.(noticeOf(attempts.slice(at)));
    spent += time;
    const opened = await tryToOpen(candidate, options, failures);
    if (opened !== undefined) return opened;
  }
  if (omitted > 0) throw tooCostly(store, attempts.length, omitted);
  const failure = failures.find((each) => !isUnreadable(each)) ?? failures[0];
  if (failure !== undefined && (candidates.length === 0 || !isUnreadable(failure))) throw failure;
  const what = 'password' in options.unlock ? 'wrong password' : 'wrong key file';
  const hint = options.keyHint === undefined ? '' : ` for a key whose id begins with ${options.keyHint}`;
  if (failure === undefined)
    throw new VarveError('wrong-password', `${store.location}: ${what}, or no key found${hint}`);
  // The password may fit the slot that was not tried.
  throw new VarveError(
    failure.code,
    `no key slot that can be read fits${hint}, and one was not tried: ${failure.message}`,
    {
      cause: failure,
    },
  );
}

/** The slots to try, in order, and the number of those that are omitted because all would take too long. */
export function planAttempts(
  candidates: readonly Candidate[],
  preferred: string | undefined,
): { readonly attempts: Candidate[]; readonly omitted: number } {
  const ordered = inOrder(candidates, preferred);
  let sum = 0;
  const attempts = ordered.filter(({ cost }) => {
    const fits = sum + cost.time <= MOST_COST;
    if (fits) sum += cost.time;
    return fits;
  });
  return { attempts, omitted: ordered.length - attempts.length };
}

/** The preferred slot first, then the cheapest ones. Of several objects of one slot, the newest epoch first. */
function inOrder(candidates: readonly Candidate[], preferred: string | undefined): Candidate[] {
  const cheapest = new Map<string, number>();
  for (const { slot, cost } of candidates) cheapest.set(slot, Math.min(cost.time, cheapest.get(slot) ?? cost.time));
  const costOfSlot = ({ slot }: Candidate): number => cheapest.get(slot) ?? 0;
  return candidates.toSorted(
    (a, b) =>
      Number(b.slot === preferred) - Number(a.slot === preferred) ||
      costOfSlot(a) - costOfSlot(b) ||
      (a.slot < b.slot ? -1 : a.slot > b.slot ? 1 : b.epoch - a.epoch),
  );
}

function costOf(protection: Protection): Cost {
  if (protection.kind === 'keyfile') return { time: 0, memory: 0 };
  return { time: protection.p * 2 ** (protection.log2N - DEFAULT_LOG2N), memory: scryptMemory(protection) };
}

function noticeOf(left: readonly Candidate[]): string {
  const cost = left.reduce((sum, each) => sum + each.cost.time, 0);
  const keys = left.length === 1 ? 'a key takes' : `${left.length} keys takes`;
  return `trying the password on ${keys} up to some ${Math.ceil(cost * SECONDS_PER_COST)} s`;
}

function tooCostly({ location }: Store, tried: number, omitted: number): VarveError {
  return new VarveError(
    'usage',
    `${location}: the password fits none of the ${tried} key slots that were tried; ${omitted} more would take too long, ` +
      'and may have been put there for that: `--key-hint ID` tries one key only',
  );
}

/** Reads the key slots that the options' password or key file, and their hint, may fit. */
export async function readCandidates(store: Store, options: SlotOptions): Promise<Candidates> {
  const failures: VarveError[] = [];
  const listed = await listKeys(store);
  const names = listed.size > 0 ? listed : await keyNames(store);
  if (names.size === 0)
    throw new VarveError('damaged', `${store.location}: no key slots: keys/ is empty or cannot be listed`);
  const limit = pLimit(REQUESTS);
  const read = await Promise.all([...names].map((name) => limit(() => readCandidate(store, name, options, failures))));
  return { candidates: read.filter((candidate) => candidate !== undefined), failures };
}

async function readCandidate(
  store: Store,
  name: string,
  options: SlotOptions,
  failures: VarveError[],
): Promise<Candidate | undefined> {
  try {
    const path = `keys/${name}`;
    const bytes = await fetchObject(store, 'keys', name);
    const wanted = 'password' in options.unlock ? 'scrypt' : 'keyfile';
    const protection = slotProtection(bytes, path);
    if (protection.kind !== wanted) return undefined;
    const slot = slotIdIn(bytes, path);
    if (!isHinted(options.keyHint, name, slot)) return undefined;
    return { name, bytes, slot: toHex(slot), epoch: slotEpochIn(bytes, path), cost: costOf(protection) };
  } catch (cause) {
    return tolerate(cause, failures);
  }
}

async function tryToOpen(
  { name, bytes, cost }: Candidate,
  options: SlotOptions,
  failures: VarveError[],
): Promise<OpenedSlot | undefined> {
  const path = `keys/${name}`;
  const limit = memoryLimit();
  if (cost.memory > limit) {
    failures.push(notEnoughMemory(path, cost.memory, limit));
    return undefined;
  }
  try {
    return await openSlot(bytes, options.unlock, path);
  } catch (cause) {
    return tolerate(cause, failures);
  }
}

/** Bytes of memory that a container allows this process. */
function memoryLimit(): number {
  const limit = (process as { constrainedMemory?: () => number | undefined }).constrainedMemory?.();
  return limit === undefined || limit === 0 ? Number.POSITIVE_INFINITY : limit;
}

function notEnoughMemory(path: string, needed: number, limit: number): VarveError {
  const mebibytes = (bytes: number): string => `${Math.floor(bytes / 2 ** 20)} MiB`;
  return new VarveError(
    'usage',
    `${path}: opening this key takes ${mebibytes(needed)} of memory; this process may have ${mebibytes(limit)} (a limit of its container)`,
  );
}

/** Skips a slot that is damaged, unreadable, gone or another user's. */
function tolerate(cause: unknown, failures: VarveError[]): undefined {
  const error = VarveError.from(cause);
  if (error.code === 'damaged' || isUnreadable(error)) failures.push(error);
  else if (error.code !== 'wrong-password' && error.code !== 'not-found') throw error;
  return undefined;
}

/** The hint may begin the slot's id, which stays the same, or its object's name, which changes with the password. */
function isHinted(hint: string | undefined, name: string, slot: Uint8Array): boolean {
  return hint === undefined || name.startsWith(hint) || toHex(slot).startsWith(hint);
}
