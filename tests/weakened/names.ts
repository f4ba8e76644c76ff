/** A test's name has its finding as a word of its own; a function's name has it with underscores. */
export function isOf(name: string, ids: readonly string[]): boolean {
  return ids.some((id) => new RegExp(`(?<![\\w-])${id}(?!\\d)|_${id.replaceAll('-', '_')}_`).test(name));
}
