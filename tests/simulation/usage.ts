/** The arguments of a command: what is wrong with them is told beside the usage, and is no failure of the work. */

export class UsageError extends Error {}

/** parseArgs throws a TypeError for an option that it does not know; so does much else, elsewhere. */
export function parsed<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
