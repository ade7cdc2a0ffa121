import { createHash } from 'node:crypto';

/** A password file with hashes that take no time to verify. */
export function htpasswd(users: Readonly<Record<string, string>>): string {
  const hash = (password: string): string => createHash('sha1').update(password).digest('base64');
  return Object.entries(users)
    .map(([user, password]) => `${user}:{SHA}${hash(password)}\n`)
    .join('');
}
