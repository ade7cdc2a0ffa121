// Hides secrets from the list of processes.
// Masking of locations is in storage/masked.ts.
import { maskedLocation } from '../../storage/masked.js';

/** A location, alone or after the name of an option. */
const LOCATION = /^(--[a-z-]+=|-[a-z])?((?:rest|s3|sftp|rclone):.*|[a-z+]+:\/\/.*)$/is;
/** A store option that is a command line, which may contain anything. */
const COMMAND = /^((?:--option=|-o)?(?:sftp\.(?:command|args)|rclone\.(?:program|args))=).*$/s;

/** Hides passwords from the list of processes, which shows arguments to all users. */
export function hideSecrets(args: readonly string[]): void {
  const shown = args.map(shownWord);
  if (shown.some((word, at) => word !== args[at])) process.title = ['varve', ...shown].join(' ');
}

/** A word of the command line without secrets. */
export function shownWord(word: string): string {
  const [, option = '', location] = LOCATION.exec(word) ?? [];
  if (location !== undefined) return option + maskedLocation(location);
  return word.replace(COMMAND, '$1***');
}
