/** Before any test: the worker's bundle and the compiled contracts, once for all worlds. */
import { prepareWorlds } from './simulation/world.ts';

export default prepareWorlds;
