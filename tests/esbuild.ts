/** Before each file of the tests: files share processes, and the service that esbuild keeps for a process does not outlive a file. */
import { stop } from 'esbuild';

await stop();
