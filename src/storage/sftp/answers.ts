// Turns replies into results or errors.
// client.ts matches replies with requests.
import type { Buffer } from 'node:buffer';
import { type Attributes, type FieldReader, malformed, type Reply, STATUS } from './protocol.js';
import { StatusError } from './status.js';

/** Whether the reply is the end of a file or a directory. */
export const atEnd = (reply: Reply): boolean => reply.kind === 'status' && reply.code === STATUS.endOfFile;

/** @throws StatusError for a refusal, VarveError for an unexpected reply */
export function refused(reply: Reply): never {
  if (reply.kind !== 'status' || reply.code === STATUS.ok) throw malformed('an answer of another type');
  throw new StatusError(reply.code, reply.message);
}

export function okOf(reply: Reply): void {
  if (reply.kind !== 'status' || reply.code !== STATUS.ok) refused(reply);
}

export function handleOf(reply: Reply): Buffer {
  return reply.kind === 'handle' ? reply.handle : refused(reply);
}

export function attributesOf(reply: Reply): Attributes {
  return reply.kind === 'attributes' ? reply.attributes : refused(reply);
}

export function fieldsOf(reply: Reply): FieldReader {
  return reply.kind === 'extended' ? reply.fields : refused(reply);
}
