// The keys of objects in a bucket.
// listing.ts and s3-store.ts use them.
import { HASH_NAME, type ObjectType } from '../store.js';

const NAME_LENGTH = 64;

/** The keys of objects in a bucket. They match the paths in a directory, so that a plain copy between the two is a repository. */
export class Keys {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  of(type: ObjectType, name: string): string {
    if (type === 'config') return `${this.#prefix}config`;
    return `${this.under(type)}${type === 'data' ? `${name.slice(0, 2)}/` : ''}${name}`;
  }

  /** The prefix of the keys of a type; the key itself for `config`. */
  under(type: ObjectType): string {
    return type === 'config' ? this.of(type, '') : `${this.#prefix}${type}/`;
  }

  /** The name of the object with a listed key; undefined for keys that varve did not write. */
  nameOf(type: ObjectType, listed: string | undefined): string | undefined {
    if (listed === undefined) return undefined;
    const name = type === 'config' ? type : listed.slice(-NAME_LENGTH);
    if (type !== 'config' && !HASH_NAME.test(name)) return undefined;
    const key = this.of(type, name);
    return listed === key || decodeKey(listed) === key ? name : undefined;
  }
}

/** Decodes a URL-encoded key of a listing. XML cannot hold every key, and servers differ in what they encode. */
export function decodeKey(listed: string): string {
  try {
    return decodeURIComponent(listed.replaceAll('+', ' '));
  } catch {
    return listed;
  }
}
