/** The environment of child programs: never a repository's password or key, and other secrets only where a program needs them. */

import { maskedLocation } from '../masked.js';

/** The purpose of a child program. */
export type ChildKind =
  | 'ssh'
  | 'rclone'
  /** `--password-command`, which may have to log in to a service. */
  | 'password-command'
  /** The command of `--stdin-from-command`. */
  | 'source-command'
  /** Programs of the system: fusermount3, and the shell that watches a mount. */
  | 'system';

type Environment = Readonly<Record<string, string | undefined>>;

/** Variables with passwords, or with commands that may contain passwords, also for `--from-repo`. */
const SECRET = /^VARVE_(?:FROM_)?(?:PASSWORD|PASSWORD_COMMAND|REST_PASSWORD|AWS_\w+)$/;
/** A location may contain a password. */
const LOCATION = /^VARVE_(?:FROM_)?REPOSITORY$/;
const AWS_KEY = /^AWS_(?:ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN)$/;
/** Variables that programs of the system need. */
const FOR_SYSTEM = ['PATH', 'LANG', 'LC_ALL'];
const DEFAULT_PATH = '/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * The environment of a child program.
 *
 * - rclone and the password command get AWS keys, which they may need; ssh does not.
 * - The source command gets AWS keys unless the repository uses them: it could delete the backups.
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
    return [[name, LOCATION.test(name) ? maskedLocation(value) : value]];
  });
  return Object.fromEntries(passed);
}
