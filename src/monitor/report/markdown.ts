import type { Table } from './tables.js';

/** Tables as Markdown, each below its title and note. */
export function tablesMarkdown(tables: readonly Table[]): string {
  const line = (row: readonly string[]) => `| ${row.join(' | ')} |`;
  return tables
    .map(({ title, note, head, rows }) =>
      [`## ${title}`, '', note, '', line(head), line(head.map(() => '---')), ...rows.map(line), ''].join('\n'),
    )
    .join('\n');
}
