import type { Buffer } from 'node:buffer';

interface Event {
  readonly kind: string;
  readonly path?: Buffer;
  readonly message?: string;
}

/**
 * The errors and warnings of a backup or a restore about what is at a path or below it. Somebody who is not root hears that the directories above
 * cannot be given to their owners.
 */
export function complaintsBelow(path: string, events: readonly Event[]): string[] {
  return events
    .filter(({ kind }) => kind === 'error' || kind === 'warning')
    .map(({ path: where, message }) => ({ where: where?.toString('latin1') ?? '', message }))
    .filter(({ where }) => where === '' || `${where}/`.startsWith(`${path}/`))
    .map(({ where, message }) => `${where}: ${message}`);
}
