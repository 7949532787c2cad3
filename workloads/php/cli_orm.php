<?php
/*
 * Twin of the workload cli-orm: a batch import through a mapper with an identity map and change sets. Prints one line of
 * JSON: live bytes and the collector's state at ten checkpoints.
 */
declare(strict_types=1);

require __DIR__ . '/twin_text.php';
require __DIR__ . '/checkpoints.php';

const USAGE = <<<'TEXT'
usage: php cli_orm.php [--steps=N] [--seed=N] [--batch=N] [--relations=N] [--clear=N] [--cyclic=0|1] [--metadata=N]

  --steps=N        batches (default 300)
  --seed=N         of the random numbers (default 1)
  --batch=N        products of a batch (default 20)
  --relations=N    variants of each product (default 3)
  --clear=N        so many batches are flushed before all is cleared (default 1); 0: never
  --cyclic=1       variants and collections point back (default); 0: they do not
  --metadata=N     mapped classes whose metadata lives on (default 530)

TEXT;

const CATEGORIES = 16;
const FIELDS_PER_CLASS = 8;

/* ---- Classes: as many properties as the workload's, since size is what matters ---- */

class ClassMetadata { public $name, $mappings, $p2, $p3, $p4, $p5, $p6, $p7, $p8, $p9, $p10, $p11; }
class Category { public $id, $name, $p2, $p3, $p4; }
class Collection { public $items, $owner; }
class Date { public $fields; }
class DateFields { public $stamp, $day, $zone, $p3, $p4, $p5, $p6, $p7, $p8, $p9, $p10, $p11; }
class ListIterator { public $list, $position, $count; }
class LifecycleEvent { public $entity; }
class Parameter { public $name, $value; }
class Result { public $id; }

class Product
{
    const FIELDS = ['id', 'sku', 'name', 'description', 'price', 'stock', 'created_at', 'category'];
    const MAPPING_KEYS = ['nullable', 'columnName', 'length', 'unique', 'cascade', 'targetEntity', 'mappedBy'];
    public $id, $sku, $name, $description, $price, $stock, $created_at, $category, $variants;
}

class Variant
{
    const FIELDS = ['id', 'product', 'label', 'price', 'created_at'];
    const MAPPING_KEYS = ['nullable', 'columnName', 'length'];
    public $id, $product, $label, $price, $created_at;
}

/* ---- The unit of work ---- */

class EntityManager
{
    public $metadata = [], $identity = [], $states = [], $managed = [], $original = [], $changes = [], $insertions = [];
    public $identifiers = [], $statement, $sql = '';
    private $lastProduct = 0, $lastVariant = 0;

    public function clear(): void
    {
        $this->identity = $this->states = $this->managed = $this->original = $this->changes = $this->insertions
            = $this->identifiers = [];
    }

    public function identityAdd(object $entity, int $id): void
    {
        $this->identity[$entity::class][$id] = $entity;
    }

    /** A new array for each question. */
    private function askMapping(string $class, string $field): bool
    {
        $merged = ['fieldName' => $field];
        $merged['type'] = 'string';
        foreach ($class::MAPPING_KEYS as $number => $key) {
            $merged[$key] = $number % 2 === 0;
        }
        return $merged['nullable'];
    }

    public function persist(Product $product): void
    {
        $visited = [];
        $this->persistNew($product, $visited);
        $this->askMapping(Product::class, 'variants');
        $iterator = $this->openIterator($product);
        foreach ($iterator->list as $position => $variant) {
            $this->persistNew($variant, $visited);
            $iterator->position = $position;
        }
    }

    private function persistNew(object $entity, array &$visited): void
    {
        $handle = spl_object_id($entity);
        $visited[$handle] = $entity;
        $this->states[$handle] = 1;
        $this->insertions[$handle] = $entity;
        $this->managed[$handle] = $entity;
        $reader = (function () { return $this->id; })->bindTo($entity);
        $reader();
        unset($reader);
        $this->askMapping($entity::class, 'id');
        $event = new LifecycleEvent();
        $event->entity = $entity;
    }

    private function openIterator(Product $product): ListIterator
    {
        $list = [];
        foreach ($product->variants->items as $item) {
            $list[] = $item;
        }
        $iterator = new ListIterator();
        $iterator->list = $list;
        $iterator->position = 0;
        $iterator->count = count($list);
        return $iterator;
    }

    private function computeChangeSet(object $entity): int
    {
        $class = $entity::class;
        $handle = spl_object_id($entity);
        $this->askMapping($class, 'id');
        $actual = [];
        foreach ($class::FIELDS as $field) {
            $this->askMapping($class, $field);
            $actual[$field] = $entity->$field;
        }
        $original = $this->original[$handle] ?? null;
        $changes = null;
        foreach ($class::FIELDS as $number => $field) {
            if ($number > 0 && ($original === null || $original[$field] !== $actual[$field])) {
                $pair = [];
                $pair[] = $original[$field] ?? null;
                $pair[] = $actual[$field];
                $changes[$field] = $pair;
            }
        }
        unset($original);
        if ($changes !== null) {
            $this->original[$handle] = $actual;
            $this->changes[$handle] = $changes;
        }
        unset($actual);
        $this->listColumns($class, $changes !== null);
        if ($class === Product::class) {
            $this->walkAssociations($entity);
        }
        $this->askMapping($class, 'id');
        return $changes === null ? 0 : count($changes);
    }

    private function listColumns(string $class, bool $changed): void
    {
        $names = [];
        foreach ($class::FIELDS as $number => $field) {
            if ($number > 0) {
                $names[] = $field;
                $quoted = $changed && $number % 2 === 1 ? '`product`.' . $field : $field;
            }
        }
    }

    private function walkAssociations(Product $product): void
    {
        $this->askMapping(Product::class, 'category');
        $this->askMapping(Product::class, 'variants');
        $iterator = $this->openIterator($product);
        foreach ($iterator->list as $position => $variant) {
            if (isset($this->states[spl_object_id($variant)])) {
                $iterator->position = $position;
            }
        }
    }

    private function databaseValue($value)
    {
        if (is_int($value)) {
            return (string) $value;
        }
        if (!is_object($value)) {
            return $value;
        }
        if (!$value instanceof Date) {
            return $value->id;
        }
        $fields = $value->fields;
        return (string) $fields->stamp;
    }

    private function insert(object $entity): void
    {
        $class = $entity::class;
        $handle = spl_object_id($entity);
        $id = $class === Product::class ? ++$this->lastProduct : ++$this->lastVariant;
        $data = $types = $bindings = [];
        foreach ($this->changes[$handle] as $column => [, $value]) {
            $data[$column] = $value;
            $types[$column] = 'string';
            $placeholder = ':' . $column;
            $parameter = new Parameter();
            $parameter->name = $column;
            $parameter->value = $this->databaseValue($value);
            $bindings[$column] = $parameter;
        }
        unset($value, $parameter);
        $sql = 'INSERT INTO ' . $class;
        foreach (array_keys($data) as $number => $column) {
            $sql .= $number === 0 ? ' (' : ', ';
            $sql .= $column;
        }
        $this->sql = $sql . ') VALUES (?, ?, ?, ?)';
        $this->statement = $bindings;
        $result = new Result();
        $result->id = $id;
        $text = (string) $id;
        $entity->id = $result->id;
        $identifier = ['id' => 0];
        $identifier['id'] = &$id;
        $this->identifiers[$handle] = $identifier;
        $this->original[$handle]['id'] = $entity->id;
        $this->states[$handle] = 2;
        $this->identityAdd($entity, $entity->id);
    }

    public function flush(): int
    {
        $changed = 0;
        foreach ($this->managed as $entity) {
            $changed += $this->computeChangeSet($entity);
        }
        foreach ($this->insertions as $entity) {
            $this->insert($entity);
        }
        $this->changes = $this->insertions = [];
        return $changed;
    }
}

/* ---- The importer ---- */

class Importer
{
    public function __construct(private EntityManager $manager, private array $options)
    {
    }

    private function readRow(string $label, int $number, int $price): array
    {
        $row = [$label => (string) $number];
        $row['price'] = (string) $price;
        $row['created_at'] = sprintf('2023-%02d-%02d %02d:%02d:00Z', mt_rand(10, 12), mt_rand(10, 23), mt_rand(10, 23),
            mt_rand(10, 23));
        return $row;
    }

    private function parseDate(string $text): Date
    {
        $date = new Date();
        $parsed = new DateFields();
        $date->fields = new DateFields();
        $day = (int) substr($text, 8, 2);
        $hour = (int) substr($text, 11, 2);
        $minute = (int) substr($text, 14, 2);
        $parsed->stamp = ($day * 24 + $hour) * 60 + $minute;
        $parsed->day = $day;
        $parsed->zone = substr($text, 16, 3);
        $date->fields->stamp = $parsed->stamp;
        $date->fields->day = $parsed->day;
        $date->fields->zone = $parsed->zone;
        return $date;
    }

    private function title(int $length): string
    {
        $words = words(30);
        return substr($words, 0, $length);
    }

    private function category(): Category
    {
        $id = mt_rand(1, CATEGORIES);
        if (isset($this->manager->identity[Category::class][$id])) {
            return $this->manager->identity[Category::class][$id];
        }
        $category = new Category();
        $category->id = $id;
        $category->name = 'category ' . $id;
        $this->manager->identityAdd($category, $id);
        return $category;
    }

    private function product(int $number): Product
    {
        $product = new Product();
        $product->variants = new Collection();
        $product->variants->items = [];
        if ($this->options['cyclic']) {
            $product->variants->owner = $product;
        }
        $row = $this->readRow('sku', $number, mt_rand(0, 999));
        $product->created_at = $this->parseDate($row['created_at']);
        $product->sku = 'S' . $row['sku'];
        $product->name = $this->title(14);
        $product->price = $this->title(12);
        $product->description = words(47);
        $product->stock = (int) $row['price'];
        $product->category = $this->category();
        for ($i = 0; $i < $this->options['relations']; $i++) {
            $product->variants->items[] = $this->variant($product, $i);
        }
        $this->manager->persist($product);
        return $product;
    }

    private function variant(Product $product, int $number): Variant
    {
        $variant = new Variant();
        $row = $this->readRow('label', $number, mt_rand(0, 99999));
        $variant->created_at = $this->parseDate($row['created_at']);
        $variant->label = 'variant number ' . $row['label'];
        $variant->price = (int) $row['price'];
        if ($this->options['cyclic']) {
            $variant->product = $product;
        }
        return $variant;
    }

    public function batch(int $batch): int
    {
        $products = [];
        for ($i = 0; $i < $this->options['batch']; $i++) {
            $products[] = $this->product(($batch - 1) * $this->options['batch'] + $i);
        }
        $checksum = $this->manager->flush();
        foreach ($products as $product) {
            $checksum = ($checksum * 31 + crc32($product->name . $product->description) + $product->id) & 0xffffffff;
        }
        if ($this->options['clear'] > 0 && $batch % $this->options['clear'] === 0) {
            $this->manager->clear();
        }
        return $checksum;
    }
}

function make_metadata(int $count): array
{
    $list = [];
    for ($i = 0; $i < $count; $i++) {
        $metadata = new ClassMetadata();
        $metadata->name = (string) (100000 + $i);
        $metadata->mappings = [];
        for ($field = 0; $field < FIELDS_PER_CLASS; $field++) {
            $mapping = ['fieldName' => 'name'];
            $mapping['type'] = 'string';
            $mapping['columnName'] = (string) (100 + $field);
            $mapping['nullable'] = false;
            $metadata->mappings[] = $mapping;
        }
        $list[] = $metadata;
    }
    return $list;
}

$options = read_options('cli_orm.php', array_slice($argv, 1), USAGE, ['steps' => 300, 'seed' => 1, 'batch' => 20,
    'relations' => 3, 'clear' => 1, 'cyclic' => 1, 'metadata' => 530]);
if ($options['batch'] < 1 || $options['relations'] < 1 || $options['steps'] < 1) {
    fail('cli_orm.php', 'expected at least one step, product and variant');
}
mt_srand($options['seed']);
words(1);
$checkpoints = new Checkpoints($options['steps']);
$manager = new EntityManager();
$manager->metadata = make_metadata($options['metadata']);
$importer = new Importer($manager, $options);
gc_collect_cycles(); // What making the metadata left in the buffer.
$checksum = 0;
for ($step = 1; $step <= $options['steps']; $step++) {
    $checksum = ($checksum * 31 + $importer->batch($step)) & 0xffffffff;
    $checkpoints->pass($step);
}
$checkpoints->report('cli_orm', $options, $checksum);
