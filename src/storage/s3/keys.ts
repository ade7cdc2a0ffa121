import { HASH_NAME, type ObjectType } from '../store.js';

const NAME_LENGTH = 64;

/** Where objects are in a bucket: as in a directory, so that whoever copies one into the other has a repository. */
export class Keys {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  of(type: ObjectType, name: string): string {
    if (type === 'config') return `${this.#prefix}config`;
    return `${this.under(type)}${type === 'data' ? `${name.slice(0, 2)}/` : ''}${name}`;
  }

  /** What the keys of a type begin with; the key itself for `config`. */
  under(type: ObjectType): string {
    return type === 'config' ? this.of(type, '') : `${this.#prefix}${type}/`;
  }

  /** The name of the object that is listed under a key; undefined when varve has not written it. */
  nameOf(type: ObjectType, listed: string | undefined): string | undefined {
    if (listed === undefined) return undefined;
    const name = type === 'config' ? type : listed.slice(-NAME_LENGTH);
    if (type !== 'config' && !HASH_NAME.test(name)) return undefined;
    const key = this.of(type, name);
    return listed === key || decodeKey(listed) === key ? name : undefined;
  }
}

/** A key as listings have it that are asked to encode them as URLs, as XML cannot have every key; servers differ in what they encode. */
export function decodeKey(listed: string): string {
  try {
    return decodeURIComponent(listed.replaceAll('+', ' '));
  } catch {
    return listed;
  }
}
