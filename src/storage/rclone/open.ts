import { VarveError } from '../../errors/errors.js';
import { refuseUnknown } from '../extended-options.js';
import { RestStore } from '../rest/rest-store.js';
import type { StoreSettings } from '../settings.js';
import type { Store } from '../store.js';
import { splitWords } from '../transport/words.js';
import { RcloneTransport } from './rclone-transport.js';

const PROGRAM = 'rclone';
const ARGUMENTS = 'serve restic --stdio --b2-hard-delete';
/** Values in rclone's connection strings (`:sftp,host=…,pass=…:folder`) that nobody else should see. */
const SECRETS = /((?:pass|secret|key|token)\w*=)("[^"]*"|'[^']*'|[^,:]*)/gi;

/** `rclone:REMOTE:PATH`, with `-o rclone.program=` and `-o rclone.args=` as restic has them. */
export async function openRclone(rest: string, settings: StoreSettings): Promise<Store> {
  const location = `rclone:${rest.replace(SECRETS, '$1***')}`;
  if (rest === '')
    throw new VarveError('usage', `repository "${location}": no remote is given, such as rclone:REMOTE:PATH`);
  refuseUnknown(settings.extended, 'rclone', ['program', 'args']);
  const words = (option: string, standard: string): string[] =>
    splitWords(settings.extended.get(option) ?? standard, `-o ${option}`);
  const [program = PROGRAM, ...more] = words('rclone.program', PROGRAM);
  const command: [string, ...string[]] = [program, ...more, ...words('rclone.args', ARGUMENTS), rest];
  return new RestStore(location, new RcloneTransport(command, settings));
}
