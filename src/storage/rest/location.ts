// Parses locations of REST servers.
// open.ts opens them.
import { VarveError } from '../../errors/errors.js';
import { maskedLocation } from '../masked.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** User and password, and their source for errors. */
export interface Credentials {
  readonly user: string;
  readonly password: string;
  readonly source: string;
}

/** The location of a repository on a REST server. */
export interface RestLocation {
  /** The location as the user wrote it, without the password. */
  readonly location: string;
  /** The server's name in errors: "backup.example:8000", or its socket. */
  readonly server: string;
  readonly secure: boolean;
  readonly address: { readonly host: string; readonly port: number } | { readonly socketPath: string };
  /** The prefix of request paths: "/directory/". */
  readonly base: string;
  readonly credentials: Credentials | undefined;
}

const EXAMPLE = 'such as rest:https://USER:PASSWORD@backup.example:8000/directory/';
const VARIABLES = ['VARVE_REST_USERNAME', 'VARVE_REST_PASSWORD'] as const;

/**
 * Parses `https://user:password@host:8000/directory/` or `http+unix:///run/rest.sock:/directory/`. A missing user or password comes from
 * the environment.
 *
 * @throws VarveError `usage`
 */
export function parseLocation(text: string, environment: Environment): RestLocation {
  const location = maskedLocation(`rest:${text}`);
  const unix = /^http\+unix:\/\/(?:([^@/]*)@)?(\/[^:]+)(?::(\/.*)?)?$/.exec(text);
  if (unix !== null) {
    const [, userInfo = '', socketPath = '', path = '/'] = unix;
    const url = new URL(`http://${userInfo === '' ? '' : `${userInfo}@`}localhost${path}`);
    return { ...common(url, location, environment), server: socketPath, address: { socketPath } };
  }
  const url = webAddress(text);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
  return { ...common(url, location, environment), server: url.host, address: { host, port } };
}

function webAddress(text: string): URL {
  const refuse = (why: string): VarveError =>
    new VarveError('usage', `repository "${maskedLocation(`rest:${text}`)}": ${why}`);
  if (!/^https?:\/\/[^/]/.test(text) || !URL.canParse(text))
    throw refuse(
      `that is not an address of a REST server, ${EXAMPLE}; in a user or password write / as %2F, ? as %3F, # as %23`,
    );
  const url = new URL(text);
  if (url.search !== '' || url.hash !== '') throw refuse('write ? as %3F and # as %23, in the password too');
  return url;
}

function common(url: URL, location: string, environment: Environment) {
  return {
    location,
    secure: url.protocol === 'https:',
    base: url.pathname.endsWith('/') ? url.pathname : `${url.pathname}/`,
    credentials: credentialsOf(url, environment, location),
  };
}

function credentialsOf(url: URL, environment: Environment, location: string): Credentials | undefined {
  const [name, secret] = VARIABLES;
  const user = decoded(url.username, location);
  if (url.password !== '')
    return { user, password: decoded(url.password, location), source: 'the repository’s location' };
  const password = environment[secret] ?? '';
  if (user !== '') {
    return {
      user,
      password,
      source: password === '' ? 'the repository’s place' : `the repository’s location and ${secret}`,
    };
  }
  const named = environment[name] ?? '';
  if (named === '') return undefined;
  return { user: named, password, source: `${name} and ${secret}` };
}

function decoded(text: string, location: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new VarveError('usage', `repository "${location}": write % as %25 in the user and the password`);
  }
}
