// Parses locations in S3.
// open.ts opens them.
import { VarveError } from '../../errors/errors.js';
import { maskedLocation } from '../masked.js';

/** The location of a repository in S3. */
export interface S3Location {
  /** "https://host:port"; undefined for Amazon, where the region determines the host. */
  readonly endpoint: string | undefined;
  readonly bucket: string;
  /** The prefix of its keys: empty, or a path with a slash at the end. */
  readonly prefix: string;
  /** The region in the server's name. */
  readonly region: string | undefined;
}

const FORMS = 's3:https://HOST/BUCKET/PATH, s3:HOST/BUCKET/PATH, or s3:BUCKET/PATH for Amazon';
/** Servers with the region in their name, which accept no other region. */
const REGIONAL =
  /^s3[.-](?:dualstack\.)?([a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|backblazeb2\.com|wasabisys\.com|scw\.cloud)$/;

/**
 * Parses a location as restic does: the first part is a host when it has a dot or a port, or is `localhost`.
 *
 * @param rest the location after `s3:`
 * @throws VarveError `usage`
 */
export function parseLocation(rest: string): S3Location {
  const url = /^https?:\/\//.test(rest) ? rest : `https://${hostFirst(rest.replace(/^\/\//, ''))}`;
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || parsed.search !== '' || parsed.hash !== '') throw unusable(rest);
  if (parsed.username !== '' || parsed.password !== '')
    throw new VarveError(
      'usage',
      `${maskedLocation(`s3:${rest}`)}: keys do not belong in the location: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`,
    );
  const [bucket, ...path] = decodePath(parsed.pathname, rest).split('/').filter(Boolean);
  if (bucket === undefined) throw unusable(rest);
  const prefix = path.map((part) => `${part}/`).join('');
  const amazon = parsed.hostname === AMAZON;
  return {
    endpoint: amazon ? undefined : parsed.origin,
    bucket,
    prefix,
    region: REGIONAL.exec(parsed.hostname)?.[1],
  };
}

const AMAZON = 's3.amazonaws.com';

function hostFirst(location: string): string {
  const first = location.split('/', 1)[0] ?? '';
  const isHost = first === 'localhost' || /[.:]/.test(first);
  return isHost ? location : `${AMAZON}/${location}`;
}

function decodePath(path: string, rest: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw unusable(rest);
  }
}

function unusable(rest: string): VarveError {
  return new VarveError('usage', `${maskedLocation(`s3:${rest}`)}: not a location in S3: write it as ${FORMS}`);
}

export function isAmazon(endpoint: string | undefined): boolean {
  return endpoint === undefined || /\.amazonaws\.com(\.cn)?$/.test(new URL(endpoint).hostname);
}
