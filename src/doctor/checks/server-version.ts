import { matrix } from '../../compat/matrix.ts';
import { compareNumbers, isAtLeast, numbersOf } from '../../compat/version.ts';
import { defineCheck } from '../contract.ts';
import { type Finding, merged, ok, problem, warning } from '../findings.ts';
import { withServer } from '../with-server.ts';

/** What the server's version means: too old, too new, a custom build, known dangers. */
export const serverVersion = defineCheck({
  id: 'server-version',
  title: 'Server version',
  run: (view) =>
    withServer(view, async ({ version, dangers, warnings }) => {
      const { oldestSupported } = matrix();
      if (!isAtLeast(version, oldestSupported)) {
        return problem(
          `Ollama ${version.raw} is older than ${oldestSupported}, the oldest version this tool works with.`,
          `Upgrade Ollama to ${oldestSupported} or later, or use --runtime embedded.`,
        );
      }
      const told = dangers.map(({ id, title, fixedIn }) => `${id}: ${title} (fixed in ${fixedIn}).`);
      // The lookup words dangers as warnings too; what is left is about the version itself.
      const others = warnings.filter((text) => !dangers.some(({ id }) => text.startsWith(`${id}:`)));
      const newest = dangers
        .map(({ fixedIn }) => fixedIn)
        .toSorted(byVersion)
        .at(-1);
      const findings: Finding[] = [
        ...others.map((text) => warning(text, 'Prefer a released version that this tool knows.')),
        ...(newest === undefined ? [] : [warning(told.join(' '), `Upgrade Ollama to ${newest} or later.`)]),
      ];
      const [first, ...rest] = findings;
      return first === undefined
        ? ok(`Ollama ${version.raw} has no danger that this tool knows of.`)
        : merged([first, ...rest]);
    }),
});

function byVersion(a: string, b: string): number {
  return compareNumbers(numbersOf(a), numbersOf(b));
}
