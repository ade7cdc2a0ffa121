// A versioned bucket as it was at a time.
// listing.ts lists the versions.
import type { Buffer } from 'node:buffer';
import { VarveError } from '../../errors/errors.js';
import { type Advice, type ObjectInfo, type ObjectType, objectPath, type Range, type Store } from '../store.js';
import type { Keys } from './keys.js';
import { type ListedVersion, listVersions } from './listing.js';
import { readObject } from './reading.js';
import type { S3Requests } from './requests.js';

export interface PastStoreParts {
  readonly location: string;
  readonly requests: S3Requests;
  readonly keys: Keys;
  readonly connections: number;
  /** When. */
  readonly at: Date;
}

/** A former version of an object. */
interface Version extends ObjectInfo {
  readonly version: string | undefined;
}

/** A versioned bucket as it was at a time, read-only: later writes and removals do not matter. */
export class PastStore implements Store {
  readonly location: string;
  readonly connections: number;
  readonly #requests: S3Requests;
  readonly #keys: Keys;
  readonly #at: Date;
  readonly #versions = new Map<ObjectType, Promise<ReadonlyMap<string, Version>>>();

  constructor({ location, requests, keys, connections, at }: PastStoreParts) {
    this.location = `${location} as it was at ${at.toISOString()}`;
    this.connections = connections;
    this.#requests = requests;
    this.#keys = keys;
    this.#at = at;
  }

  create(): Promise<void> {
    return this.#refuse('create');
  }

  put(type: ObjectType, name: string, _parts: readonly Uint8Array[], _advice?: Advice): Promise<void> {
    return this.#refuse(`write ${objectPath(type, name)}`);
  }

  replace(type: ObjectType, name: string): Promise<void> {
    return this.#refuse(`write ${objectPath(type, name)}`);
  }

  remove(type: ObjectType, name: string): Promise<void> {
    return this.#refuse(`remove ${objectPath(type, name)}`);
  }

  async get(type: ObjectType, name: string, range?: Range, advice?: Advice): Promise<Buffer> {
    const path = objectPath(type, name);
    const found = (await this.#of(type)).get(name);
    if (found === undefined) throw new VarveError('not-found', `${path}: missing from ${this.location}`);
    const key = this.#keys.of(type, name);
    return readObject(this.#requests, { key, path, version: found.version, range, into: advice?.into });
  }

  async stat(type: ObjectType, name: string): Promise<ObjectInfo | undefined> {
    return (await this.#of(type)).get(name);
  }

  async *list(type: ObjectType): AsyncIterable<ObjectInfo> {
    yield* (await this.#of(type)).values();
  }

  async now(): Promise<number> {
    return this.#at.getTime() / 1000;
  }

  async close(): Promise<void> {
    this.#requests.close();
  }

  async #refuse(what: string): Promise<never> {
    throw new VarveError('denied', `cannot ${what}: ${this.location}, which is read-only`);
  }

  #of(type: ObjectType): Promise<ReadonlyMap<string, Version>> {
    const known = this.#versions.get(type);
    if (known !== undefined) return known;
    const loading = this.#load(type);
    this.#versions.set(type, loading);
    loading.catch(() => this.#versions.delete(type));
    return loading;
  }

  async #load(type: ObjectType): Promise<ReadonlyMap<string, Version>> {
    const newest = new Map<string, ListedVersion>();
    const prefix = this.#keys.under(type);
    for await (const each of listVersions(this.#requests, type, prefix)) {
      const name = this.#keys.nameOf(type, each.Key);
      if (name === undefined || timeOf(each) > this.#at.getTime()) continue;
      const other = newest.get(name);
      if (other === undefined || isNewer(each, other)) newest.set(name, each);
    }
    const versions = new Map<string, Version>();
    for (const [name, each] of newest)
      if (!each.removed)
        versions.set(name, { name, size: each.Size ?? 0, modified: timeOf(each) / 1000, version: each.VersionId });
    return versions;
  }
}

const timeOf = ({ LastModified }: ListedVersion): number => LastModified?.getTime() ?? 0;

/** Within one second, the current version is the newest; otherwise a version counts before a removal. */
function isNewer(one: ListedVersion, other: ListedVersion): boolean {
  if (timeOf(one) !== timeOf(other)) return timeOf(one) > timeOf(other);
  return one.IsLatest === true || (other.IsLatest !== true && other.removed && !one.removed);
}
