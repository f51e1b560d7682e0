file=LS0001_20190314_0001.zip
count=5
amount=1001183.49
md5=cb9ab02db4fc1c172c5e0f5d434a4bfc
