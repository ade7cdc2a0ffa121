import { serveTasks } from '../../workers/serve.js';
import { Opener, type Opening } from './opening.js';

/** What a worker starts with. */
export interface WorkerInit {
  readonly idKey: Uint8Array;
}

serveTasks<WorkerInit, Opening, undefined>(({ idKey }, _, atEnd) => {
  const opener = new Opener(idKey);
  atEnd(() => opener.close());
  return (opening) => {
    opener.open(opening);
    return { reply: undefined };
  };
});
