import { maskedPlace } from '../../storage/masked.js';

/** A place, alone or after an option's name. */
const PLACE = /^(--[a-z-]+=|-[a-z])?((?:rest|s3|sftp|rclone):.*|[a-z+]+:\/\/.*)$/is;
/** An option of a store that is a command: its words may be anything. */
const COMMAND = /^((?:--option=|-o)?(?:sftp\.(?:command|args)|rclone\.(?:program|args))=).*$/s;

/** Whoever lists processes sees their arguments: passwords in them are gone as soon as this runs. */
export function hideSecrets(args: readonly string[]): void {
  const shown = args.map(shownWord);
  if (shown.some((word, at) => word !== args[at])) process.title = ['varve', ...shown].join(' ');
}

/** A word of a command line as others may see it. */
export function shownWord(word: string): string {
  const [, option = '', place] = PLACE.exec(word) ?? [];
  if (place !== undefined) return option + maskedPlace(place);
  return word.replace(COMMAND, '$1***');
}
