import { VarveError } from '../../errors/errors.js';
import { refuseUnknown } from '../extended-options.js';
import { maskedLocation } from '../masked.js';
import { RestStore } from '../rest/rest-store.js';
import type { StoreSettings } from '../settings.js';
import type { Store } from '../store.js';
import { splitWords } from '../transport/words.js';
import { RcloneTransport } from './rclone-transport.js';
import { describedInEnvironment, describedOpenly } from './remote.js';

const PROGRAM = 'rclone';
const ARGUMENTS = 'serve restic --stdio --b2-hard-delete';
/** Opens `rclone:REMOTE:PATH`, with `-o rclone.program=` and `-o rclone.args=` as in restic. */
export async function openRclone(rest: string, settings: StoreSettings): Promise<Store> {
  const location = maskedLocation(`rclone:${rest}`);
  if (rest === '')
    throw new VarveError('usage', `repository "${location}": no remote is given, such as rclone:REMOTE:PATH`);
  refuseUnknown(settings.extended, 'rclone', ['program', 'args']);
  const words = (option: string, standard: string): string[] =>
    splitWords(settings.extended.get(option) ?? standard, `-o ${option}`);
  const [program = PROGRAM, ...more] = words('rclone.program', PROGRAM);
  // A wrapper, perhaps on another machine, may not pass the environment on.
  const remote = more.length > 0 ? describedOpenly(rest) : describedInEnvironment(rest);
  const command: [string, ...string[]] = [program, ...more, ...words('rclone.args', ARGUMENTS), remote.location];
  return new RestStore(location, new RcloneTransport(command, remote, settings));
}
