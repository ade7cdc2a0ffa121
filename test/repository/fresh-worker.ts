import { FreshSet, type FreshSetHandle } from '../../src/repository/writing/fresh-set.js';
import { serveTasks } from '../../src/workers/serve.js';
import { idOf } from './ids.js';

export interface Range {
  readonly from: number;
  readonly to: number;
}

/** The numbers of the range for which `add` returned true. */
export type Firsts = readonly number[];

serveTasks<FreshSetHandle, Range, Firsts>((handle) => {
  const set = new FreshSet(handle);
  return ({ from, to }) => {
    const firsts: number[] = [];
    for (let number = from; number < to; number++) if (set.add(idOf(number))) firsts.push(number);
    return { reply: firsts };
  };
});
