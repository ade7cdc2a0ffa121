/** What programs that varve starts find in their environment: never what opens repositories, and other secrets only where they need them. */

import { maskedPlace } from '../masked.js';

/** A program that varve starts, by what it is for. */
export type ChildKind =
  | 'ssh'
  | 'rclone'
  /** `--password-command`, which may have to log in somewhere to get the password. */
  | 'password-command'
  /** The command of `--stdin-from-command`. */
  | 'source-command'
  /** Programs of the system: fusermount3, and the shell that stands by a mount. */
  | 'system';

type Environment = Readonly<Record<string, string | undefined>>;

/** Passwords, and commands that may have some in them. The same for the repository that `--from-repo` names. */
const SECRET = /^VARVE_(?:FROM_)?(?:PASSWORD|PASSWORD_COMMAND|REST_PASSWORD|AWS_\w+)$/;
/** May have a password in it. */
const LOCATION = /^VARVE_(?:FROM_)?REPOSITORY$/;
const AWS_KEY = /^AWS_(?:ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN)$/;
/** All that programs of the system need. */
const FOR_SYSTEM = ['PATH', 'LANG', 'LC_ALL'];
const DEFAULT_PATH = '/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * The environment for a child.
 *
 * - rclone and the password command get keys of AWS, which they may need; ssh does not.
 * - The source command gets them, unless they are the repository's: then it could delete the backups.
 *
 * @param location the repository's
 */
export function childEnvironment(kind: ChildKind, environment: Environment, location = ''): NodeJS.ProcessEnv {
  const { PATH = DEFAULT_PATH } = environment;
  if (kind === 'system')
    return Object.fromEntries(Object.entries({ ...environment, PATH }).filter(([name]) => FOR_SYSTEM.includes(name)));
  const withoutAws = kind === 'ssh' || (kind === 'source-command' && location.startsWith('s3:'));
  const passed = Object.entries(environment).flatMap(([name, value]): [string, string][] => {
    if (value === undefined || SECRET.test(name) || (withoutAws && AWS_KEY.test(name))) return [];
    return [[name, LOCATION.test(name) ? maskedPlace(value) : value]];
  });
  return Object.fromEntries(passed);
}
