<?php
/*
 * Twin of the workload cli-ast: an analyser that splits source text into tokens, parses it to trees, runs passes over
 * them and keeps an index. Prints one line of JSON with checkpoints; README.md says what corresponds to what.
 */
declare(strict_types=1);

require __DIR__ . '/twin_text.php';
require __DIR__ . '/checkpoints.php';

const USAGE = <<<'TEXT'
usage: php cli_ast.php [--steps=N] [--functions=N] [--spread=X] [--cyclic=X] [--symbols=N] [--seed=N]

  --steps=N      files (default 600)
  --functions=N  of the largest file (default 390)
  --spread=X     files' sizes are functions x u^X, u even over 0 to 1 (default 9)
  --cyclic=X     share of functions whose nodes know their parents (default 1)
  --symbols=N    bound of the index (default 10000)
  --seed=N       of the random numbers (default 1)

TEXT;

const GOLDEN_FRACTION = 0.61803398874989484820;
const WORDS = ['account', 'amount', 'archive', 'author', 'balance', 'basket', 'branch', 'bridge', 'candle', 'carrier',
    'category', 'change', 'channel', 'city', 'client', 'comment', 'content', 'country', 'customer', 'delivery', 'draft',
    'editor', 'entry', 'event', 'field', 'filter', 'garden', 'harbour', 'history', 'image', 'invoice', 'journal',
    'kitchen', 'label', 'language', 'letter', 'market', 'message', 'minute', 'mountain', 'network', 'number', 'office',
    'order', 'package', 'parcel', 'payment', 'people', 'picture', 'product', 'quarter', 'question', 'receipt', 'region',
    'river', 'season', 'server', 'station', 'summer', 'template', 'ticket', 'travel', 'window', 'winter'];

/* ---- Source text: the grammar of ast_source.c ---- */

class SourceWriter
{
    private string $text = '';
    private int $indent = 0;

    public function write(int $functions, int $first, int $bound): string
    {
        $this->text = '<?php ';
        for ($i = 0; $i < $functions; $i++) {
            $this->text .= 'function symbol' . (($first + $i) % $bound + 10000000) . '(';
            $params = 1 + mt_rand(0, 2);
            for ($j = 0; $j < $params; $j++) {
                $this->text .= $j > 0 ? ',' : '';
                $this->variable();
            }
            $this->text .= ')';
            $this->line();
            $this->block(3 + mt_rand(0, 3), 0);
            $this->line();
        }
        $text = $this->text;
        $this->text = '';
        return $text;
    }

    private function line(): void
    {
        $this->text .= "\n";
        for ($i = 0; $i < $this->indent; $i++) {
            $this->text .= '    ';
        }
    }

    private function words(int $count): void
    {
        for ($i = 0; $i < $count; $i++) {
            $word = WORDS[mt_rand(0, 63)];
            $this->text .= $i > 0 ? ucfirst($word) : $word;
        }
    }

    private function variable(): void
    {
        $this->text .= '$';
        $this->words(1 + mt_rand(0, 1));
    }

    private function text(): void
    {
        $this->text .= "'";
        $this->words(1 + mt_rand(0, 1));
        $this->text .= "'";
    }

    private function arguments(int $depth): void
    {
        $count = 1 + mt_rand(0, 1);
        $this->text .= '(';
        for ($i = 0; $i < $count; $i++) {
            $this->text .= $i > 0 ? ',' : '';
            $this->expression($depth);
        }
        $this->text .= ')';
    }

    private function methodCall(int $depth): void
    {
        $this->variable();
        $this->text .= '->';
        $this->words(1);
        $this->arguments($depth);
    }

    private function items(int $depth): void
    {
        $count = 1 + mt_rand(0, 2);
        $this->text .= '[';
        for ($i = 0; $i < $count; $i++) {
            $this->text .= $i > 0 ? ',' : '';
            $this->text();
            $this->text .= '=>';
            $this->expression($depth);
        }
        $this->text .= ']';
    }

    private function term(int $depth): void
    {
        $choice = mt_rand(0, $depth < 3 ? 99 : 64);
        if ($choice < 35) {
            $this->variable();
        } elseif ($choice < 50) {
            $this->text();
        } elseif ($choice < 65) {
            $this->text .= 10 + mt_rand(0, 989);
        } elseif ($choice < 80) {
            $this->words(2);
            $this->arguments($depth + 1);
        } elseif ($choice < 94) {
            $this->methodCall($depth + 1);
        } else {
            $this->items($depth + 1);
        }
    }

    private function expression(int $depth): void
    {
        $this->term($depth);
        while (mt_rand(0, 3) === 0) {
            $this->text .= ['+', '*', '<'][mt_rand(0, 2)];
            $this->term($depth + 1);
        }
    }

    private function block(int $statements, int $depth): void
    {
        $this->text .= '{';
        $this->indent++;
        for ($i = 0; $i < $statements; $i++) {
            $this->statement($depth);
        }
        if ($depth === 0) {
            $this->line();
            $this->text .= 'return ';
            $this->expression(0);
            $this->text .= ';';
        }
        $this->indent--;
        $this->line();
        $this->text .= '}';
    }

    private function comment(): void
    {
        $this->line();
        $this->text .= '# ';
        $count = 10 + mt_rand(0, 13);
        for ($i = 0; $i < $count; $i++) {
            $this->text .= $i > 0 ? ' ' : '';
            $this->words(1);
        }
    }

    private function statement(int $depth): void
    {
        if (mt_rand(0, 1) === 0) {
            $this->comment();
        }
        $choice = mt_rand(0, $depth < 2 ? 99 : 74);
        $this->line();
        if ($choice < 45) {
            $this->variable();
            $this->text .= ' = ';
            $this->expression(0);
            $this->text .= ';';
        } elseif ($choice < 67) {
            $this->methodCall(0);
            $this->text .= ';';
        } elseif ($choice < 75) {
            $this->text .= 'echo ';
            $this->expression(0);
            $this->text .= ';';
        } elseif ($choice < 90) {
            $this->text .= 'if (';
            $this->expression(1);
            $this->text .= ') ';
            $this->block(1 + mt_rand(0, 1), $depth + 1);
        } else {
            $this->text .= 'foreach (';
            $this->expression(2);
            $this->text .= ' as ';
            $this->variable();
            $this->text .= ') ';
            $this->block(1 + mt_rand(0, 1), $depth + 1);
        }
    }
}

/* ---- Nodes: as many properties as the workload's ---- */

abstract class Node
{
    protected array $attributes;

    public function getAttribute(string $name): mixed
    {
        return $this->attributes[$name] ?? null;
    }

    public function setAttribute(string $name, mixed $value): void
    {
        $this->attributes[$name] = $value;
    }

    public function getAttributes(): array
    {
        return $this->attributes;
    }

    abstract public function getSubNodeNames(): array;

    public function getType(): string
    {
        return substr(static::class, 2);
    }
}

/** Classes by type and names of children; each child is a property, filled in this order. */
const KINDS = [
    'Stmt_Function' => ['byRef', 'name', 'params', 'returnType', 'stmts', 'attrGroups', 'namespacedName'],
    'Param' => ['type', 'byRef', 'variadic', 'var', 'default', 'flags', 'attrGroups'],
    'Stmt_Expression' => ['expr'],
    'Stmt_If' => ['cond', 'stmts', 'elseifs', 'else'],
    'Stmt_Foreach' => ['expr', 'keyVar', 'byRef', 'valueVar', 'stmts'],
    'Stmt_Echo' => ['exprs'],
    'Stmt_Return' => ['expr'],
    'Expr_Assign' => ['var', 'expr'],
    'Expr_BinaryOp_Plus' => ['left', 'right'],
    'Expr_BinaryOp_Mul' => ['left', 'right'],
    'Expr_BinaryOp_Smaller' => ['left', 'right'],
    'Expr_FuncCall' => ['name', 'args'],
    'Expr_MethodCall' => ['var', 'name', 'args'],
    'Arg' => ['name', 'value', 'byRef', 'unpack'],
    'Expr_Array' => ['items'],
    'Expr_ArrayItem' => ['key', 'value', 'byRef', 'unpack'],
    'Expr_Variable' => ['name'],
    'Identifier' => ['name'],
    'Name' => ['parts'],
    'Scalar_LNumber' => ['value'],
    'Scalar_String' => ['value'],
];

function define_nodes(): void
{
    $code = '';
    foreach (KINDS as $type => $names) {
        $properties = $parameters = $assignments = $list = '';
        foreach ($names as $name) {
            $properties .= "public \$$name;";
            $parameters .= ", \$$name = null";
            $assignments .= "\$this->$name = \$$name;";
            $list .= "'$name',";
        }
        $code .= "final class N_$type extends Node { $properties"
            . "public function __construct(array \$attributes $parameters) { \$this->attributes = \$attributes; $assignments }"
            . "public function getSubNodeNames(): array { return [$list]; } }\n";
    }
    eval($code);
}

/* ---- The parser: positions of the parse and their attributes as in ast_parse.c ---- */

class Parser
{
    private array $tokens = [];
    private int $position = 0;
    private int $line = 1;
    private int $top = 0;
    private mixed $token = null;
    private int $kind = 0;
    private ?string $text = null;
    private array $start = [];
    private array $end = [];
    private array $startStack = [];
    private array $endStack = [];

    public function parse(string $source): array
    {
        $this->tokens = token_get_all($source);
        $this->position = 1; // Behind the opening tag.
        $this->line = 1;
        $this->top = 0;
        $this->startStack = [];
        $this->endStack = [];
        $functions = [];
        $this->loadNext();
        while ($this->text !== null) {
            $functions[] = $this->parseFunction();
            $this->reduce(0);
        }
        return $functions;
    }

    public function tokenCount(): int
    {
        return count($this->tokens);
    }

    public function drop(): void
    {
        $this->tokens = $this->startStack = $this->endStack = $this->start = $this->end = [];
        $this->token = null;
    }

    private function loadNext(): void
    {
        do {
            if (!isset($this->tokens[$this->position])) {
                $this->text = null;
                break;
            }
            $this->token = $this->tokens[$this->position++];
            if (is_string($this->token)) {
                $this->kind = 0;
                $this->text = $this->token;
            } else {
                [$this->kind, $this->text, $this->line] = $this->token;
            }
        } while ($this->kind === T_WHITESPACE || $this->kind === T_COMMENT);
        $start = [];
        $start['startLine'] = $this->line;
        $this->start = $start;
        $end = [];
        $end['endLine'] = $this->line;
        $this->end = $end;
    }

    private function advance(): void
    {
        $this->top++;
        $this->startStack[$this->top] = $this->start;
        $this->endStack[$this->top] = $this->end;
        $this->loadNext();
    }

    private function reduce(int $base): void
    {
        $this->endStack[$base + 1] = $this->endStack[$this->top];
        $this->top = $base + 1;
    }

    private function attributes(int $base): array
    {
        $this->reduce($base);
        return $this->startStack[$base + 1] + $this->endStack[$base + 1];
    }

    private function at(string $text): bool
    {
        return $this->text === $text && $this->kind !== T_CONSTANT_ENCAPSED_STRING;
    }

    private function expect(string $text): void
    {
        if (!$this->at($text)) {
            throw new UnexpectedValueException("'$text' expected on line {$this->line}, not '{$this->text}'");
        }
        $this->advance();
    }

    private function parseList(string $closing, ?string $separator, string $method): ?array
    {
        $base = $this->top;
        $list = null;
        while (!$this->at($closing)) {
            $list[] = $this->$method();
            if ($separator !== null && !$this->at($closing)) {
                $this->expect($separator);
            }
            $this->reduce($base);
        }
        $this->advance();
        return $list;
    }

    private function parseVariable(): Node
    {
        $base = $this->top;
        $name = substr($this->text, 1);
        $this->advance();
        return new N_Expr_Variable($this->attributes($base), $name);
    }

    private function parseIdentifier(): Node
    {
        $base = $this->top;
        $name = $this->text;
        $this->advance();
        return new N_Identifier($this->attributes($base), $name);
    }

    private function parseName(): Node
    {
        $base = $this->top;
        $parts = [];
        $parts[] = $this->text;
        $this->advance();
        return new N_Name($this->attributes($base), $parts);
    }

    private function parseArgument(): Node
    {
        $base = $this->top;
        $value = $this->parseExpression();
        return new N_Arg($this->attributes($base), null, $value);
    }

    private function parseArguments(): ?array
    {
        $this->expect('(');
        return $this->parseList(')', ',', 'parseArgument');
    }

    private function parseItem(): Node
    {
        $base = $this->top;
        $key = $this->parseExpression();
        $this->expect('=>');
        $value = $this->parseExpression();
        return new N_Expr_ArrayItem($this->attributes($base), $key, $value);
    }

    private function parseVariableOrCall(): Node
    {
        $base = $this->top;
        $variable = $this->parseVariable();
        if (!$this->at('->')) {
            return $variable;
        }
        $this->advance();
        $name = $this->parseIdentifier();
        $arguments = $this->parseArguments();
        return new N_Expr_MethodCall($this->attributes($base), $variable, $name, $arguments);
    }

    private function parseTerm(): Node
    {
        $base = $this->top;
        if ($this->at('[')) {
            $this->advance();
            $items = $this->parseList(']', ',', 'parseItem');
            return new N_Expr_Array($this->attributes($base), $items);
        }
        switch ($this->kind) {
            case T_VARIABLE:
                return $this->parseVariableOrCall();
            case T_LNUMBER:
                $value = (int) $this->text;
                $this->advance();
                return new N_Scalar_LNumber($this->attributes($base), $value);
            case T_CONSTANT_ENCAPSED_STRING:
                $value = substr($this->text, 1, -1);
                $this->advance();
                return new N_Scalar_String($this->attributes($base), $value);
            case T_STRING:
                $name = $this->parseName();
                $arguments = $this->parseArguments();
                return new N_Expr_FuncCall($this->attributes($base), $name, $arguments);
        }
        throw new UnexpectedValueException("a term expected on line {$this->line}, not '{$this->text}'");
    }

    private function parseExpression(): Node
    {
        $base = $this->top;
        $left = $this->parseTerm();
        while ($this->at('+') || $this->at('*') || $this->at('<')) {
            $operator = $this->text;
            $this->advance();
            $right = $this->parseTerm();
            $attributes = $this->attributes($base);
            $left = match ($operator) {
                '+' => new N_Expr_BinaryOp_Plus($attributes, $left, $right),
                '*' => new N_Expr_BinaryOp_Mul($attributes, $left, $right),
                '<' => new N_Expr_BinaryOp_Smaller($attributes, $left, $right),
            };
        }
        return $left;
    }

    private function parseBlock(): ?array
    {
        $this->expect('{');
        return $this->parseList('}', null, 'parseStatement');
    }

    private function parseStatement(): Node
    {
        $base = $this->top;
        switch ($this->kind) {
            case T_IF:
                $this->advance();
                $this->expect('(');
                $condition = $this->parseExpression();
                $this->expect(')');
                $statements = $this->parseBlock();
                return new N_Stmt_If($this->attributes($base), $condition, $statements);
            case T_FOREACH:
                $this->advance();
                $this->expect('(');
                $expression = $this->parseExpression();
                $this->expect('as');
                $variable = $this->parseVariable();
                $this->expect(')');
                $statements = $this->parseBlock();
                return new N_Stmt_Foreach($this->attributes($base), $expression, null, null, $variable, $statements);
            case T_ECHO:
            case T_RETURN:
                $kind = $this->kind;
                $this->advance();
                $expression = $this->parseExpression();
                $this->expect(';');
                return $kind === T_ECHO ? new N_Stmt_Echo($this->attributes($base), $expression)
                    : new N_Stmt_Return($this->attributes($base), $expression);
        }
        $expression = $this->parseExpression();
        if ($this->at('=')) {
            $this->advance();
            $value = $this->parseExpression();
            $expression = new N_Expr_Assign($this->attributes($base), $expression, $value);
        }
        $this->expect(';');
        return new N_Stmt_Expression($this->attributes($base), $expression);
    }

    private function parseParam(): Node
    {
        $base = $this->top;
        $variable = $this->parseVariable();
        return new N_Param($this->attributes($base), null, null, null, $variable);
    }

    private function parseFunction(): Node
    {
        $base = $this->top;
        $this->expect('function');
        $name = $this->parseIdentifier();
        $this->expect('(');
        $params = $this->parseList(')', ',', 'parseParam');
        $statements = $this->parseBlock();
        return new N_Stmt_Function($this->attributes($base), null, $name, $params, null, $statements);
    }
}

/* ---- Passes ---- */

abstract class Pass
{
    public array $stack = [];

    abstract protected function enter(Node $node): void;

    protected function leave(Node $node): void
    {
    }

    public function run(Node $node): void
    {
        $this->enter($node);
        $this->stack[] = $node;
        $this->traverse($node);
        array_pop($this->stack);
        $this->leave($node);
    }

    private function traverse(Node $node): void
    {
        foreach ($node->getSubNodeNames() as $name) {
            $child =& $node->$name;
            if ($child instanceof Node) {
                $this->run($child);
            } elseif (is_array($child)) {
                $child = $this->traverseList($child);
            }
        }
    }

    private function traverseList(array $list): array
    {
        $result = [];
        foreach ($list as $node) {
            if ($node instanceof Node) {
                $this->run($node);
            }
            $result[] = $node;
        }
        return $result;
    }
}

class Connect extends Pass
{
    public bool $linked = true;
    public ?Node $previous = null;

    protected function enter(Node $node): void
    {
        if (!$this->linked || $this->stack === []) {
            return;
        }
        $parent = $this->stack[count($this->stack) - 1];
        $node->setAttribute('parent', $parent);
        if ($this->previous !== null && $this->previous->getAttribute('parent') === $parent) {
            $node->setAttribute('previous', $this->previous);
        }
    }

    protected function leave(Node $node): void
    {
        $this->previous = $node;
    }
}

class Resolve extends Pass
{
    public function __construct(private Analyser $analyser)
    {
    }

    protected function enter(Node $node): void
    {
        if ($node instanceof N_Name) {
            $node->setAttribute('resolvedName', $this->fullName($node, $node->parts[0]));
        }
    }

    public function nameFunction(N_Stmt_Function $function): void
    {
        $this->run($function);
        $function->namespacedName = $this->fullName($function, $function->name->name);
    }

    private function fullName(Node $node, string $name): Node
    {
        $full = (isset($this->analyser->index[strtolower($name)]) ? '\\' : 'App\\') . $name;
        $parts = [];
        $parts[] = $full;
        return new N_Name($node->getAttributes(), $parts);
    }
}

class Measure extends Pass
{
    public array $counts = [];

    protected function enter(Node $node): void
    {
        $type = $node->getType();
        $this->counts[$type] = ($this->counts[$type] ?? 0) + 1;
    }
}

class Printer
{
    public string $output = '';
    public int $methods = 0;

    public function printNode(Node $node): void
    {
        // The name of a method, put together and hashed to find it.
        $this->methods ^= crc32('p' . $node->getType());
        foreach ($node->getSubNodeNames() as $name) {
            $this->printValue($node->$name);
        }
    }

    private function printValue(mixed $value): void
    {
        if ($value instanceof Node) {
            $this->printNode($value);
        } elseif (is_array($value)) {
            $this->output .= '(';
            foreach ($value as $element) {
                $this->printValue($element);
                $this->output .= ' ';
            }
            $this->output .= ')';
        } elseif (is_string($value)) {
            $this->output .= '$' . $value;
        } elseif (is_int($value)) {
            $this->output .= $value;
        }
    }
}

/* ---- The program ---- */

class Analyser
{
    public array $index = [];
    private int $file = 0;
    private int $functions = 0;

    public function __construct(private array $options)
    {
        for ($i = 0; $i < $options['symbols']; $i++) {
            $name = 'symbol' . ($i + 10000000);
            $this->index[$name] = $this->entry($name, 0, $i);
        }
    }

    private function entry(string $name, int $nodes, int $branches): array
    {
        $entry = [];
        $entry['symbol'] = $name;
        $entry['file'] = 'src/Module' . (1000000 + $this->file) . '.php';
        $entry['nodes'] = $nodes;
        $entry['branches'] = $branches;
        return $entry;
    }

    private function functionsOfFile(): int
    {
        $position = $this->file * GOLDEN_FRACTION + ($this->options['seed'] % 1000) / 1000;
        $size = $this->options['functions'] * ($position - floor($position)) ** $this->options['spread'];
        return min(max(1, (int) ($size + 0.5)), $this->options['functions']);
    }

    private function isLinked(int $index): bool
    {
        $number = $this->functions + $index;
        return (int) (($number + 1) * $this->options['cyclic']) > (int) ($number * $this->options['cyclic']);
    }

    public function analyse(SourceWriter $writer, Parser $parser): int
    {
        $this->file++;
        $count = $this->functionsOfFile();
        $source = $writer->write($count, $this->functions, $this->options['symbols']);
        $tree = $parser->parse($source);
        $connect = new Connect();
        foreach ($tree as $i => $function) {
            $connect->linked = $this->isLinked($i);
            $connect->run($function);
        }
        $resolve = new Resolve($this);
        foreach ($tree as $function) {
            $resolve->nameFunction($function);
        }
        $checksum = 0;
        foreach ($tree as $function) {
            $checksum ^= $this->report($function);
        }
        $this->functions += $count;
        $parser->drop();
        return $checksum;
    }

    private function report(N_Stmt_Function $function): int
    {
        $measure = new Measure();
        $measure->run($function);
        $printer = new Printer();
        $printer->printNode($function);
        $name = $function->name->name;
        $this->index[$name] = $this->entry($name, array_sum($measure->counts), count($measure->counts));
        return crc32($printer->output) ^ $printer->methods;
    }
}

ini_set('memory_limit', '-1');
$options = read_options('cli_ast.php', array_slice($argv, 1), USAGE, ['steps' => 600, 'functions' => 390,
    'spread' => '9', 'cyclic' => '1', 'symbols' => 10000, 'seed' => 1]);
foreach (['spread', 'cyclic'] as $name) {
    if (!is_numeric($options[$name]) || $options[$name] < 0) {
        fail('cli_ast.php', "--$name: expected a number that is not negative, not '{$options[$name]}'");
    }
    $options[$name] = (float) $options[$name];
}
if (min($options['functions'], $options['symbols']) < 1) {
    fail('cli_ast.php', '--functions, --symbols: expected at least 1');
}
mt_srand($options['seed']);
$checkpoints = new Checkpoints($options['steps']);
define_nodes();
$analyser = new Analyser($options);
$writer = new SourceWriter();
$parser = new Parser();
$checksum = 0;
for ($file = 1; $file <= $options['steps']; $file++) {
    $checksum ^= $analyser->analyse($writer, $parser);
    $checkpoints->pass($file);
}
$checkpoints->report('cli_ast.php', $options, $checksum);
