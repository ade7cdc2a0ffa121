/** A request that the server refused. */
export class StatusError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** Whether it is a refusal with this code. */
export function hasStatus(cause: unknown, code: number): boolean {
  return cause instanceof StatusError && cause.code === code;
}
