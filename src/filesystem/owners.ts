import { readFileSync } from 'node:fs';

interface Names {
  readonly byId: ReadonlyMap<number, string>;
  readonly byName: ReadonlyMap<string, number>;
}

/**
 * Names of users and groups, from the machine's own files, each read once when it is first asked for. Directory
 * services (LDAP and the like) are not asked: an id that is not in the files has no name.
 */
export class OwnerNames {
  readonly #usersFile: string;
  readonly #groupsFile: string;
  #users: Names | undefined;
  #groups: Names | undefined;

  constructor(usersFile = '/etc/passwd', groupsFile = '/etc/group') {
    this.#usersFile = usersFile;
    this.#groupsFile = groupsFile;
  }

  /** The user's name, '' when there is none. */
  userName(uid: number): string {
    this.#users ??= readNames(this.#usersFile);
    return this.#users.byId.get(uid) ?? '';
  }

  /** The group's name, '' when there is none. */
  groupName(gid: number): string {
    this.#groups ??= readNames(this.#groupsFile);
    return this.#groups.byId.get(gid) ?? '';
  }

  uidOf(name: string): number | undefined {
    this.#users ??= readNames(this.#usersFile);
    return this.#users.byName.get(name);
  }

  gidOf(name: string): number | undefined {
    this.#groups ??= readNames(this.#groupsFile);
    return this.#groups.byName.get(name);
  }
}

/** Of several lines for one id or one name the first counts, as in libc. */
function readNames(file: string): Names {
  const byId = new Map<number, string>();
  const byName = new Map<string, number>();
  for (const line of readIfPossible(file).split('\n')) {
    const [name, , id] = line.split(':');
    if (!name || id === undefined || !/^\d+$/.test(id)) continue;
    if (!byId.has(Number(id))) byId.set(Number(id), name);
    if (!byName.has(name)) byName.set(name, Number(id));
  }
  return { byId, byName };
}

function readIfPossible(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
