import type { Buffer } from 'node:buffer';
import { VarveError } from '../../src/errors/errors.js';
import type { ObjectType, Range } from '../../src/storage/store.js';
import { Dying } from '../storage/dying-store.js';

/** Why a store does not give an object that is sound. */
export const REASONS: Readonly<Record<string, (path: string) => VarveError>> = {
  'permission denied': (path) => new VarveError('denied', `cannot read ${path}: permission denied; it belongs to root`),
  'an input/output error': (path) => new VarveError('storage', `cannot read ${path}: input/output error`),
  'a stale file handle': (path) => new VarveError('storage', `cannot read ${path}: ESTALE: stale file handle, read`),
  'a network that is down': (path) =>
    new VarveError('storage', `cannot read ${path}: connection refused`, { retryable: true }),
};

/** A store that does not give some objects, or one sector of them. */
export class FailingDisk extends Dying {
  readonly failing = new Map<string, (path: string) => VarveError>();
  /** Where in the objects the sector is that cannot be read; undefined for all of them. */
  sector: number | undefined;

  override async get(type: ObjectType, name: string, range?: Range): Promise<Buffer> {
    const error = this.failing.get(name);
    if (error !== undefined && this.#isHit(range)) throw error(`${type}/${name}`);
    return super.get(type, name, range);
  }

  override async replace(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
    await super.replace(type, name, parts);
    this.failing.delete(name);
  }

  #isHit({ offset, length }: Range = { offset: 0, length: Number.POSITIVE_INFINITY }): boolean {
    return this.sector === undefined || (this.sector >= offset && this.sector < offset + length);
  }
}
