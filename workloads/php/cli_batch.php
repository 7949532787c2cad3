<?php
/*
 * Twin of the workload cli-batch: a script that converts documents one after another. Prints one line of JSON with
 * checkpoints; README.md says what corresponds to what.
 */
declare(strict_types=1);

require __DIR__ . '/twin_text.php';
require __DIR__ . '/checkpoints.php';

const USAGE = <<<'TEXT'
usage: php cli_batch.php [--steps=N] [--lines=N] [--entities=N] [--seed=N]

  --steps=N     documents (default 186)
  --lines=N     of a document on average (default 130)
  --entities=N  entries of the table that lives on (default 4400)
  --seed=N      of the random numbers (default 1)

TEXT;

const TAGS = ['document' => 'div', 'paragraph' => 'p', 'heading' => 'h2', 'item' => 'li', 'quote' => 'blockquote',
    'emphasis' => 'em', 'code' => 'code', 'link' => 'a'];
const CLOSINGS = ['emphasis' => '*', 'code' => '`', 'link' => ']'];
/** Marker, kind, saves its state, is kept until the next block, matches a pattern. */
const PARSERS = [['> ', 'quote', true, true, false], ['# ', 'heading', true, true, true],
    ['~~~', 'code', true, false, true], ['<', 'code', false, true, false], ['===', 'heading', true, false, true],
    ['***', 'code', false, false, false], ['- ', 'item', true, true, false], [null, 'code', false, false, false]];

class Cursor
{
    public $column, $indent = 0, $p5, $p6, $p7, $p8, $p9, $p10;

    public function __construct(public string $line, public int $length, public int $position)
    {
        $this->column = $position;
    }

    public function saveState(): array
    {
        return [$this->length, $this->position, $this->column, $this->indent, $this->p5, $this->p6, $this->p7];
    }
}

class ParserState
{
    public function __construct(public Cursor $cursor, public Node $block)
    {
    }
}

class BlockStart
{
    public $arguments;
}

class InlineContext
{
    public function __construct(public Cursor $cursor, public array $matches, public Node $container)
    {
    }
}

class Delimiter
{
    public $length = 1, $p3, $p4, $p5, $p6, $p7, $p8, $p9;

    public function __construct(public string $node, public ?Delimiter $previous)
    {
    }
}

class Node
{
    public $parent, $previous, $next, $first, $last, $line, $p8;

    public function __construct(public string $kind, public ?string $literal)
    {
    }

    public function append(Node $node): void
    {
        $node->parent = $this;
        if ($this->last !== null) {
            $node->previous = $this->last;
            $this->last->next = $node;
        } else {
            $this->first = $node;
        }
        $this->last = $node;
    }
}

class HtmlElement
{
    public function __construct(public string $tag, public array $attributes, public string $contents,
        public bool $closing)
    {
    }

    public function __toString(): string
    {
        $text = '<' . $this->tag;
        foreach ($this->attributes as $name => $value) {
            $text .= ' ' . $name . '="' . $value . '"';
        }
        $text .= '>';
        $text .= $this->contents;
        $text .= '</' . $this->tag . '>';
        return $text;
    }
}

/* ---- Documents ---- */

function marked(string &$text, string $opening, string $closing): void
{
    $text .= $opening . words(1 + mt_rand(0, 1)) . $closing;
}

function make_document(int $lines): string
{
    $markers = ['# ', '> ', '- ', '- ', '', '', '', ''];
    $text = '';
    for ($i = 0; $i < $lines; $i++) {
        if (mt_rand(0, 3) === 0) {
            $text .= "\n";
            continue;
        }
        $text .= $markers[mt_rand(0, 7)];
        $pieces = 1 + mt_rand(0, 1);
        for ($j = 0; $j < $pieces; $j++) {
            $text .= words(2 + mt_rand(0, 4)) . ' ';
            match (mt_rand(0, 9)) {
                0, 1 => marked($text, '*', '* '),
                2, 3 => marked($text, '`', '` '),
                4 => marked($text, '[', '] '),
                5 => $text .= '& ',
                default => null,
            };
        }
        $text .= "\n";
    }
    return $text;
}

/* ---- Parsing ---- */

class Converter
{
    public array $entities = [];
    public int $written = 0;
    private array $tried = [];
    private ?Node $open = null;
    private ?Delimiter $delimiters = null;

    public function __construct(int $entities)
    {
        for ($i = 0; $i < $entities; $i++) {
            $name = 'entity' . (1000000 + $i);
            $entity = [];
            $entity[] = $name;
            $entity[] = words(8);
            $this->entities[$name] = $entity;
        }
    }

    public function convert(string $source): int
    {
        $lines = explode("\n", $source);
        $document = new Node('document', null);
        $open = false;
        foreach ($lines as $line) {
            $open = $this->parseLine($document, $line, $open);
        }
        $this->tried = [];
        $this->open = null;
        for ($block = $document->first; $block !== null; $block = $block->next) {
            $text = $block->literal;
            $block->literal = null;
            $this->parseInlines($block, $text);
        }
        $output = '';
        for ($block = $document->first; $block !== null; $block = $block->next) {
            $output .= $this->render($block);
            $output .= "\n";
        }
        $this->written += strlen($output);
        return crc32($output);
    }

    private function parseLine(Node $document, string $line, bool $open): bool
    {
        $cursor = new Cursor($line, strlen($line), 0);
        if ($line === '') {
            return false;
        }
        if (!$open) {
            $this->tried = [];
        }
        foreach (PARSERS as $parser) {
            if ($this->tryStart(clone $cursor, $parser, $document)) {
                $this->openBlock($document, $parser[1], substr($line, strlen($parser[0])));
                return false;
            }
        }
        if ($open) {
            $this->open->literal .= ' ';
            $this->open->literal .= $line;
        } else {
            $this->openBlock($document, 'paragraph', substr($line, 0));
        }
        return true;
    }

    private function openBlock(Node $document, string $kind, string $text): void
    {
        $this->open = new Node($kind, $text);
        $document->append($this->open);
    }

    private function tryStart(Cursor $cursor, array $parser, Node $document): bool
    {
        [$marker, , $savesState, $isKept, $usesPattern] = $parser;
        $saved = null;
        if ($savesState) {
            $state = new ParserState($cursor, $document);
            $saved = $cursor->saveState();
        }
        if ($usesPattern) {
            $this->matchPattern($cursor->line, $marker, $matches);
        }
        $start = new BlockStart();
        if ($isKept) {
            $start->arguments = [$cursor];
            if ($saved !== null) {
                $start->arguments[] = $saved;
            }
            $this->tried[] = $start;
        }
        return $marker !== null && str_starts_with($cursor->line, $marker);
    }

    private function matchPattern(string $line, string $marker, &$matches): void
    {
        preg_match('/^(' . $marker . ').*/', $line, $matches);
    }

    /* ---- Inlines ---- */

    private static function kindOf(string $byte): string
    {
        return match ($byte) {
            '*' => 'emphasis',
            '`' => 'code',
            '[' => 'link',
            default => 'text',
        };
    }

    private function pieceLength(string $text, int $start, string $kind): int
    {
        if ($kind === 'text') {
            return strcspn($text, '*`[', $start + 1) + 1;
        }
        $end = strpos($text, CLOSINGS[$kind], $start + 1);
        return ($end === false ? strlen($text) : $end + 1) - $start;
    }

    private function parseInlines(Node $block, string $text): void
    {
        $cursor = new Cursor($text, strlen($text), 0);
        $this->delimiters = null;
        for ($start = 0; $start < strlen($text); $start += $length) {
            $kind = self::kindOf($text[$start]);
            $length = $this->pieceLength($text, $start, $kind);
            $matches = [];
            $matches[] = substr($text, $start, $length);
            $context = new InlineContext($cursor, $matches, $block);
            $cursor->saveState();
            $this->parsePiece($block, $kind, $matches[0]);
            $cursor->position = $start + $length;
        }
        $this->delimiters = null;
    }

    private function parsePiece(Node $block, string $kind, string $text): void
    {
        if ($kind === 'text' || strlen($text) < 3) {
            $block->append(new Node('text', $text));
            return;
        }
        $inner = substr($text, 1, -1);
        if ($kind === 'code') {
            $block->append(new Node($kind, $inner));
            return;
        }
        $node = new Node($kind, null);
        $block->append($node);
        $node->append(new Node('text', $inner));
        $this->delimiters = new Delimiter($inner, $this->delimiters);
        $this->delimiters = new Delimiter($inner, $this->delimiters);
    }

    /* ---- Rendering ---- */

    private function render(Node $node): string
    {
        if ($node->literal !== null) {
            $contents = isset($this->entities[$node->literal]) ? '' : htmlspecialchars($node->literal);
        } else {
            $pieces = [];
            for ($child = $node->first; $child !== null; $child = $child->next) {
                $pieces[] = $this->render($child);
            }
            $contents = implode('', $pieces);
        }
        if ($node->kind === 'text') {
            return $contents;
        }
        $attributes = [];
        if ($node->kind === 'link') {
            $attributes['href'] = '/page/' . mt_rand(100000, 999999) . '.html';
        }
        return (string) new HtmlElement(TAGS[$node->kind], $attributes, $contents, false);
    }
}

ini_set('memory_limit', '-1');
$options = read_options('cli_batch.php', array_slice($argv, 1), USAGE, ['steps' => 186, 'lines' => 130,
    'entities' => 4400, 'seed' => 1]);
if (min($options['lines'], $options['entities']) < 1) {
    fail('cli_batch.php', '--lines, --entities: expected at least 1');
}
mt_srand($options['seed']);
$checkpoints = new Checkpoints($options['steps']);
$converter = new Converter($options['entities']);
$checksum = 0;
for ($document = 1; $document <= $options['steps']; $document++) {
    $lines = intdiv($options['lines'] + 1, 2) + mt_rand(0, $options['lines']);
    $checksum ^= $converter->convert(make_document($lines));
    $checkpoints->pass($document);
}
$checkpoints->report('cli_batch.php', $options, $checksum);
