// Which user may send which request.
// Logins are checked in logins.ts; the metrics have rules of their own in handler.ts.

import { HttpError } from './http-error.js';
import type { Target } from './target.js';

/** What users are allowed to do. */
export interface AccessRules {
  /** Each user may use only the repositories below the directory of their name. */
  readonly privateRepositories: boolean;
  /** No user may delete anything but locks. */
  readonly appendOnly: boolean;
  /** These users may delete nothing but locks. */
  readonly appendOnlyUsers: ReadonlySet<string>;
}

/** @throws HttpError 403 when the rules forbid the request */
export function requireAccess(rules: AccessRules, user: string, method: string, target: Target): void {
  if (target.kind === 'metrics') return;
  if (rules.privateRepositories && target.repository[0] !== user)
    throw new HttpError(403, `${JSON.stringify(user)} may only use repositories below /${encodeURIComponent(user)}/`);
  if (method === 'DELETE' && isProtected(target) && (rules.appendOnly || rules.appendOnlyUsers.has(user)))
    throw new HttpError(403, 'append-only: only locks may be deleted');
}

const isProtected = (target: Target): boolean => target.kind !== 'object' || target.type !== 'locks';
