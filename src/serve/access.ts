import { Refusal } from './refusal.js';
import type { Target } from './target.js';

/** Who may do what. */
export interface AccessRules {
  /** Each user has what is below the directory of their name, and nothing else. */
  readonly privateRepositories: boolean;
  /** Nobody deletes anything but locks. */
  readonly appendOnly: boolean;
  /** These do not. */
  readonly appendOnlyUsers: ReadonlySet<string>;
}

/** @throws Refusal when the rules do not allow it */
export function requireAccess(rules: AccessRules, user: string, method: string, target: Target): void {
  if (target.kind === 'metrics') return;
  if (rules.privateRepositories && target.repository[0] !== user)
    throw new Refusal(
      403,
      `${JSON.stringify(user)} may use no repository but those below /${encodeURIComponent(user)}/`,
    );
  if (method === 'DELETE' && isKept(target) && (rules.appendOnly || rules.appendOnlyUsers.has(user)))
    throw new Refusal(403, 'append-only: nothing may be deleted but locks');
}

const isKept = (target: Target): boolean => target.kind !== 'object' || target.type !== 'locks';
