import { describe, expect, test } from 'vitest';
import { parseModelfile } from '../../../src/modelfile/parse.ts';

function values(text: string): string[] {
  return parseModelfile(text).map(({ name, key, value }) =>
    [name, key, value].filter((part) => part !== undefined).join('|'),
  );
}

describe('parseModelfile', () => {
  test('reads every command, in any case, with comments and blank lines between', () => {
    const text = [
      '# a comment',
      'FROM ./a file.gguf',
      '',
      '  # another',
      'PARAMETER stop "<end_of_turn>"',
      'parameter num_ctx 8192',
      'MESSAGE user hello',
      'SYSTEM """two',
      '# no comment',
      'lines"""',
      'LICENSE MIT',
    ].join('\n');
    expect(values(text)).toEqual([
      'from|./a file.gguf',
      'parameter|stop|<end_of_turn>',
      'parameter|num_ctx|8192',
      'message|user|hello',
      'system|two\n# no comment\nlines',
      'license|MIT',
    ]);
  });

  test('says on which line a command starts', () => {
    expect(parseModelfile('FROM x\n\nSYSTEM """a\nb"""\nPARAMETER top_k 1').map(({ line }) => line)).toEqual([1, 3, 5]);
  });

  // Each expectation below is what parser.ParseFile of Ollama 0.5.13, 0.24.0 and 0.33.0-rc2 answered.
  test.each([
    [
      'a value ends at the first line end where its quote is closed',
      'FROM x\nSYSTEM "a"\nLICENSE b"',
      ['from|x', 'system|a', 'license|b"'],
    ],
    ['quotes inside a line do not end it', 'FROM x\nSYSTEM """a"""b"""', ['from|x', 'system|a"""b']],
    ['single quotes are text', "FROM x\nSYSTEM 'a'", ['from|x', "system|'a'"]],
    ['characters that do not print are dropped', 'FROM x\nSYSTEM a\u00a0b\u200dc\0d', ['from|x', 'system|abcd']],
    ['a carriage return inside quotes stays', 'FROM x\r\nSYSTEM "a\rb"\r\n', ['from|x', 'system|a\rb']],
    ['blanks around a bare value go', 'FROM  \t x \t\n', ['from|x']],
    ['an empty value', 'FROM x\nSYSTEM ""', ['from|x', 'system|']],
    ['a byte order mark is no part of the text', '\uFEFFFROM x', ['from|x']],
  ])('%s', (_what, text, expected) => {
    expect(values(text)).toEqual(expected);
  });

  test.each([
    ['', 'has no FROM line'],
    ['SYSTEM x', 'has no FROM line'],
    ['FROM x\nSTOP y', 'line 2: stop is not a command'],
    ['FROM x\n{{ .Prompt }}', 'line 2: bad command at "{"'],
    ['FROM x\nSYSTEM """a\nb', 'line 2: the quoted text of SYSTEM is not closed'],
    ['FROM x\nSYSTEM "a\nb', 'line 2: the quoted text of SYSTEM is not closed'],
    ['FROM x\nPARAMETER top-k 1', 'line 2: bad parameter name at "top-"'],
    ['FROM x\nPARAMETER stop', 'line 2: bad parameter name at "stop"'],
    ['FROM x\nMESSAGE tool hello', 'line 2: the role of a MESSAGE is system, user, assistant, not tool'],
    ['FROM', 'line 1: bad command at "FROM"'],
  ])('refuses %j', (text, reason) => {
    expect(() => parseModelfile(text, 'Modelfile')).toThrow(expect.objectContaining({ code: 'bad-template' }));
    expect(() => parseModelfile(text, 'Modelfile')).toThrow(reason);
  });
});
